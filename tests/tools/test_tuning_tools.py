"""The last line of tools/interact.py (and of tools/rerank.py, which prints the same) tests what was tried."""

import shlex

from small_systems import untrained

SIMULATED = "mllm=dict(type='Simulated')"


def tried(tool, system, *more):
    return tool("interact", system, "MTI", SIMULATED, "k=2", "--try", "lam=0.2,0.8", "--by", "R@1", *more)


def test_the_command_at_the_end_can_be_run_as_it_is_printed(mini, tmp_path, tool):
    system, config = untrained(mini, tmp_path / "system.pth"), tmp_path / "data of mine.py"
    config.write_text(f"data = dict(dataset=dict(type='MiniPEDES', size='tiny', root={str(mini)!r}))\n")
    given = ["evaluation.ties=expected", "evaluation.batch_size=8"]
    code, out, err = tried(tool, system, "--config", config, "--cfg-options", *given)
    assert (code, err) == (0, "")
    line = out.splitlines()[-1]
    assert "'type': 'MTI'" in line
    python, name, *words = shlex.split(line)
    assert (python, name) == ("python", "tools/test.py")
    assert words[:-1] == [str(config), str(system), "--cfg-options", *given]
    code, out, err = tool("test", *words)
    assert (code, err) == (0, "")
    assert "track interactive" in out


def test_an_argument_that_is_given_and_tried_is_refused(mini, tmp_path, tool):
    system = untrained(mini, tmp_path / "system.pth")
    code, _, err = tool("interact", system, "MTI", SIMULATED, "lam=0.5", "--try", "lam=0.2,0.8")
    assert code == 2
    assert "lam is given and tried: name it once" in err
