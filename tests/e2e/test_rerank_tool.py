"""Settings of a re-ranker, chosen as a user chooses them."""

import re
import shlex

from tbpsbench.reading import read_json


def test_settings_are_tried_on_validation_and_the_winner_can_be_evaluated(run, tool, tmp_path):
    asked = "KReciprocal", "k1=3,6", "weight=0.2", "--by", "mAP", "--out", tmp_path / "tried.json"
    code, out, err = tool("rerank", run, *asked)
    assert code == 0, err
    assert re.search("2 settings tried on the split 'val'", out)
    assert all(name in out for name in ("k1=3 weight=0.2", "k1=6 weight=0.2", "no re-ranking"))
    tried = read_json(tmp_path / "tried.json")
    assert (tried["split"], tried["by"], len(tried["tried"])) == ("val", "mAP", 3)
    if tried["tried"][0]["component"] is None:
        assert "none is better by mAP" in out
        return
    command = shlex.split(next(line for line in out.splitlines() if "tools/test.py" in line))
    code, _, err = tool("test", *command[2:], "--out", tmp_path / "record")
    assert code == 0, err
    assert read_json(tmp_path / "record" / "record.json")["rerank"][0]["component"] == tried["tried"][0]["component"]


def test_a_mistake_in_a_setting_is_found_before_anything_is_embedded(run, tool):
    code, _, err = tool("rerank", run, "KReciprocal", "k3=1,2")
    assert (code, "KReciprocal has no argument 'k3'" in err) == (2, True)
    code, _, err = tool("rerank", run, "ImageTextMatching", "k=8,16")
    assert (code, "asks the loss 'itm', which this model has not as ITM" in err) == (2, True)
