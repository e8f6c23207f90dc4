"""A trained system looked at with other data, and one whose training data nobody knows: the leak guard, the records."""

import pytest
import torch

from tbpsbench import load_system
from tbpsbench.data.mini_pedes import MiniPEDES
from tbpsbench.weights.checkpoint import KEY

from .test_system import record


@pytest.fixture
def stranger(trained, tmp_path):
    """A checkpoint that does not say what it was trained on, as released weights do not."""
    content = torch.load(trained("wordpiece") / "best.pth", weights_only=True)
    content[KEY] = {**content[KEY], "trained_on": None}
    torch.save(content, tmp_path / "stranger.pth")
    return tmp_path / "stranger.pth"


def test_a_config_names_the_data_and_the_system_stays_what_it_is(trained, tool, mini, tmp_path):
    run = trained("wordpiece")
    config = tmp_path / "indoor.py"
    config.write_text(f"_base_ = {str(run / 'config.py')!r}\ndata = dict(dataset=dict(domain='indoor'))\n")
    code, out, err = tool("test", config, run / "best.pth", "--out", tmp_path / "indoor")
    assert code == 0, out + err
    found, own = record(tmp_path / "indoor"), record(run / "record")
    assert (found["system_sha256"], found["name"]) == (own["system_sha256"], own["name"])
    assert found["spec"]["trained_on"] == own["spec"]["data"]
    assert found["spec"]["data"] != own["spec"]["data"]


def test_people_of_one_minipedes_are_known_in_any_size(trained, mini):
    known = load_system(trained("wordpiece")).trained_on.texts
    assert known.population == MiniPEDES(str(mini), size="default", domain="indoor").population
    assert known.population != MiniPEDES(str(mini), size="tiny", seed=1).population


def test_a_stranger_is_guarded_by_the_data_that_its_config_names(stranger, tool, tmp_path):
    assert load_system(stranger).trained_on is None
    code, out, err = tool("test", stranger, "--out", tmp_path / "record")
    assert code == 0, out + err
    train = ["test", stranger, "--split", "train", "--cfg-options", "evaluation.protocols=['standard']"]
    code, _, err = tool(*train)
    assert code == 2
    assert "leak" in err.lower()
    code, out, err = tool(*train, "--allow-leak")
    assert code == 0, out + err


def test_the_record_of_a_saved_folder_is_rescored(trained, tool, tmp_path):
    folder = load_system(trained("wordpiece")).save(tmp_path / "passed-on")
    code, _, err = tool("test", folder, "--out", tmp_path / "record")
    assert code == 0, err
    code, out, err = tool("leaderboard", "verify", tmp_path / "record", "--rescore", "--checkpoint", folder)
    assert code == 0, out + err
    assert "every one is the same" in out
