"""The console script over the tools, and packaged configs by name."""

import sys

import pytest

from tbpsbench import bundle, cli
from tbpsbench.config.load import load_config
from tbpsbench.errors import ConfigError

DEMO = "tbpsbench::mini/two-tower_mini-pedes.py"


@pytest.fixture
def console(monkeypatch, capsys):
    """Run `tbpsbench ARGUMENTS`: (exit code, stdout, stderr)."""

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["tbpsbench", *arguments])
        with pytest.raises(SystemExit) as exit_:
            cli.main()
        return exit_.value.code, *capsys.readouterr()

    return run


def test_help_names_every_tool_with_what_it_does(console):
    for arguments in ([], ["--help"]):
        code, out, _ = console(*arguments)
        assert code == 0
        for path in bundle.folder("tools").glob("*.py"):
            (line,) = [line for line in out.splitlines() if line.split()[:1] == [path.stem]]
            assert len(line.split()) > 4
    assert console("--version")[1].startswith("tbpsbench ")


def test_a_tool_runs_under_its_own_name(console, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    code, out, _ = console("check", DEMO)
    assert (code, out) == (0, f"{DEMO}: no problems\n")
    code, out, _ = console("check", "--help")
    assert code == 0
    assert out.startswith("usage: tbpsbench check")


def test_an_unknown_tool_and_an_unknown_config_name_the_nearest(console, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    code, _, err = console("tran")
    assert code == 2
    assert "Did you mean 'train'?" in err
    code, _, err = console("check", "tbpsbench::mini/two-tower_mini-pede.py")
    assert code == 2
    assert "Did you mean tbpsbench::mini/two-tower_mini-pedes.py?" in err


def test_packaged_configs_are_listed_and_readable_from_any_folder(console, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    code, out, _ = console("configs", "mini", "two-tower_")
    assert code == 0
    assert DEMO in out.split()
    assert not [line for line in out.split() if "_base_" in line]
    assert console("configs", "no such thing")[0] == 1
    for name in (DEMO, "configs/mini/two-tower_mini-pedes.py"):
        assert load_config(name).values["data"]["dataset"]["type"] == "MiniPEDES"


def test_a_file_of_the_user_comes_before_a_packaged_one(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    own = tmp_path / "configs" / "mini" / "two-tower_mini-pedes.py"
    own.parent.mkdir(parents=True)
    own.write_text("seed = 5\n")
    assert load_config("configs/mini/two-tower_mini-pedes.py").values == {"seed": 5}
    assert load_config(DEMO).values["seed"] == 0


def test_base_may_be_packaged(tmp_path):
    (tmp_path / "mine.py").write_text(f"_base_ = ['{DEMO}']\nseed = 9\n")
    assert load_config(tmp_path / "mine.py").values["seed"] == 9
    (tmp_path / "mine.py").write_text("_base_ = 'tbpsbench::mini/two-tower_mini-pede.py'\n")
    with pytest.raises(ConfigError, match=rf"does not exist.*Did you mean '{DEMO}'"):
        load_config(tmp_path / "mine.py")
