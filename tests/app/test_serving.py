"""Where the page is served, and what is refused before it is."""

import socket

import pytest

from tbpsbench.errors import ConfigError, DataError, StorageError

pytest.importorskip("uvicorn", reason="needs the extra app: pip install 'tbpsbench[app]'")

from tbpsbench.app.serving import address, answered_hosts, is_loopback, open_socket


@pytest.mark.parametrize(("host", "loopback"), [
    ("127.0.0.1", True), ("127.9.9.9", True), ("::1", True), ("[::1]", True), ("localhost", True), ("0.0.0.0", False),
    ("::", False), ("192.168.0.7", False), ("my-machine", False),
])  # fmt: skip
def test_loopback(host, loopback):
    assert is_loopback(host) is loopback


def test_on_loopback_the_machine_has_three_names_with_the_port():
    assert answered_hosts("127.0.0.1", 8000, []) == ["127.0.0.1:8000", "localhost:8000", "[::1]:8000"]


def test_others_must_be_let_in_by_a_name():
    with pytest.raises(ConfigError, match="--allow-host"):
        answered_hosts("0.0.0.0", 8000, [])
    assert answered_hosts("0.0.0.0", 8000, ["lab.example"]) == ["lab.example:8000", "lab.example"]
    assert answered_hosts("0.0.0.0", 8000, ["lab.example:443"]) == ["lab.example:443"]


@pytest.mark.parametrize(("host", "allowed", "expected"), [
    ("127.0.0.1", [], "127.0.0.1:8000"), ("::1", [], "[::1]:8000"), ("0.0.0.0", ["lab.example"], "lab.example:8000"),
    ("0.0.0.0", ["lab.example:443"], "lab.example:443"),
])  # fmt: skip
def test_the_address_that_is_printed(host, allowed, expected):
    assert address(host, 8000, allowed) == expected


def test_an_address_that_is_taken_is_named():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(StorageError, match=f"--port {port}.*another --port"):
            open_socket("127.0.0.1", port)
    with open_socket("127.0.0.1", 0) as free:
        assert free.getsockname()[1]


def test_systems_of_different_pictures_are_refused(indexes, app_checkpoints, photos, tmp_path):
    import shutil

    from app_person import index

    from tbpsbench.app.systems import Systems
    from tbpsbench.retrieval.gallery import Gallery

    (tmp_path / "others").mkdir()
    shutil.copy(photos / "01.png", tmp_path / "others" / "01.png")
    others = index(tmp_path / "index", app_checkpoints[1], tmp_path / "others")
    with Gallery.open(indexes[0]) as one, Gallery.open(others) as other:
        with pytest.raises(DataError, match="on the same folder of pictures"):
            Systems([one, other])
        assert len(Systems([other])) == 1


def test_the_tool_names_what_is_wrong(tool, tmp_path, indexes):
    code, _, err = tool("chat", tmp_path / "none")
    assert code == 2
    assert "tools/index.py" in err
    (tmp_path / "chat.py").write_text("mllm = dict(type='Simulated')\nsource = 1\n", encoding="utf-8")
    code, _, err = tool("chat", indexes[0], "--mllm", tmp_path / "chat.py")
    assert code == 2
    assert "source: there is no such key" in err
    (tmp_path / "chat.py").write_text("budget = dict(usd=1.0)\n", encoding="utf-8")
    code, _, err = tool("chat", indexes[0], "--mllm", tmp_path / "chat.py")
    assert code == 2
    assert "names no model" in err
    code, _, err = tool("chat", indexes[0], "--host", "0.0.0.0")
    assert code == 2
    assert "--allow-host" in err


def test_the_quick_event_loop_is_used_where_it_is_installed():
    pytest.importorskip("uvloop")
    import asyncio

    import uvicorn

    from tbpsbench.app.serving import run, settings

    class Noting(uvicorn.Server):
        async def serve(self, sockets=None):
            self.loop = type(asyncio.get_running_loop()).__module__

    server = Noting(settings(lambda *_: None))
    run(server, None)
    assert server.loop == "uvloop"
