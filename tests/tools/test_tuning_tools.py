"""What tools/rerank.py and tools/interact.py refuse, and the last line that they print, which tests what was tried."""

import json
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


def test_settings_of_a_re_ranker_are_no_chain(mini, tmp_path, tool):
    system = untrained(mini, tmp_path / "system.pth", "model.losses.itm=dict(type='ITM', dim=8, depth=1, heads=1)")
    code, out, err = tool("rerank", system, "KReciprocal", "k1=3,4,5")
    assert (code, err) == (0, "")
    assert "3 settings tried" in out
    code, out, err = tool("rerank", system, "KReciprocal", "k1=3,0")
    assert (code, out) == (2, "")
    assert "k1 (0) and k2 (6) must be positive" in err
    code, out, err = tool("rerank", system, "ImageTextMatching", "loss=itm,other", "k=2,3")
    assert (code, out) == (2, "")
    assert "asks the loss 'other', which this model has not as ITM (its losses of that kind: itm)" in err


def test_a_setting_that_the_split_is_too_small_for_is_one_refused_row(mini, tmp_path, tool):
    system = untrained(mini, tmp_path / "system.pth")
    code, out, err = tool("rerank", system, "QueryExpansion", "k=500,2", "alpha=2", "--out", tmp_path / "tried.json")
    assert (code, err) == (0, "")
    rows = [line.split() for line in out.splitlines()]
    (row,) = (row for row in rows if row[0] == "k=500")
    assert row[1:6] == ["alpha=2", "refused:", "k", "is", "500,"]
    assert any(row[:2] == ["k=2", "alpha=2"] and row[2] != "refused:" for row in rows)
    tried = json.loads((tmp_path / "tried.json").read_text())["tried"]
    assert [(one["score"] is None, one["refused"] is None) for one in tried] == [(False, True)] * 2 + [(True, False)]
    code, out, err = tool("rerank", system, "QueryExpansion", "k=500,600")
    assert (code, out) == (2, "")
    assert "every setting is refused on this split; the first: k is 500, expected 1 to" in err


def test_a_chain_that_would_lose_its_beginning_is_refused(mini, tmp_path, tool):
    system = untrained(mini, tmp_path / "system.pth")
    code, out, err = tool("test", system, "--rerank", "InvertedSoftmax", "KReciprocal")
    assert (code, out) == (2, "")
    assert "KReciprocal does not read the scores of InvertedSoftmax before it" in err
    assert "InvertedSoftmax and KReciprocal can only come first: keep one of them" in err
