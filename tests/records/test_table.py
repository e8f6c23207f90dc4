"""What the terminal shows of a record: names as they are, whatever somebody called a thing."""

import io

import pytest
from rich.console import Console

from tbpsbench.records.table import plain_text, print_record

from ..leaderboard.factory import imagine, make, read

ODD = ["[/bold]", "[bold red]x", "$x$", "\\x", "a | b", "x" * 200, "=1+1", "[link=https://x.org]y[/link]", "a\\[b]"]


def printed(record, path=None):
    stream = io.StringIO()
    print_record(record, path, Console(file=stream, width=3000))
    return stream.getvalue()


@pytest.fixture(scope="module")
def record(tmp_path_factory):
    root = tmp_path_factory.mktemp("table")
    return read(make(root / "run", imagine(root), name="plain", seed=7))


@pytest.mark.parametrize("name", ODD)
def test_names_are_printed_as_they_are(record, name, tmp_path):
    protocol = next(iter(record["results"]))
    result = record["results"][protocol]
    odd = {
        **record,
        "name": name,
        "spec": {**record["spec"], "data": name},
        "results": {name: {**result, "heads": {name: result["scores"]}}},
    }
    path = tmp_path / name[:50] / "record.json"
    text = printed(odd, path)
    assert "".join(f"{name} on {name} (".split()) in "".join(text.split())  # a long title is wrapped
    assert f"  head {name}" in text
    assert f"record: {path}\n" in text


def test_control_characters_and_half_characters_do_nothing_to_the_terminal():
    assert str(plain_text("a\x1b[31m\n\ud800b")) == r"a\x1b[31m\n\ud800b"
