"""tools/probe.py as a user meets it, on untrained models of every kind: the tool, not the numbers."""

import json

import pytest
import torch

from tbpsbench.config.load import load_config
from tbpsbench.engine.run import build_run
from tbpsbench.system_files import write_checkpoint

from .test_swapping import CONFIG, FUSER, SMALL, WITHOUT_FUSER


@pytest.fixture
def bdam(mini):
    return [CONFIG, f"data.dataset.root={mini}", *SMALL, "data.descriptions=descriptions"]


@pytest.fixture
def saved(tmp_path):
    """The arguments CHECKPOINT ... of a model that was not trained."""

    def save(config, *options):
        write_checkpoint(build_run(load_config(config, list(options))).system, tmp_path / "model.pth")
        return [tmp_path / "model.pth", "--folds", 2]

    return save


@pytest.mark.parametrize(
    ("options", "features"),
    [
        (FUSER, ["identity", "clothing", "heads.global.image"]),
        (WITHOUT_FUSER, ["identity", "clothing", "heads.global.image"]),
    ],
    ids=["full", "no fuser"],
)
def test_both_halves_of_bdam_are_probed_in_new_persons(tool, bdam, saved, tmp_path, options, features):
    arguments = saved(*bdam, *options)
    code, out, err = tool("probe", *arguments, "--population", 1, "--out", tmp_path / "probes.json")
    assert code == 0, err
    found = json.loads((tmp_path / "probes.json").read_text())
    assert list(found["means"]) == sorted([*features, "shot"])
    assert {row["side"] for row in found["attributes"].values()} == {"identity", "clothing"}
    assert found["splits"] == ["train", "val", "test", "val-clothes", "test-clothes"]
    assert (found["persons"], found["seen_in_training"]) == (22, 0)
    assert found["data"]["component"]["seed"] == 1
    assert found["trained_on"]["component"].get("seed", 0) == 0
    assert len(found["checkpoint"]["sha256"]) == 64
    assert {(pair["x"], pair["y"]) for pair in found["dependence"]} >= {("identity", "clothing")}
    for text in ("upper_colour", "identity, mean above chance", "CKA", str(tmp_path / "probes.json")):
        assert text in out
    assert "training data" not in out


def test_the_baseline_is_probed_on_the_test_split(tool, demo, saved):
    arguments = saved(demo[0], *demo[2:])
    code, out, err = tool("probe", *arguments)
    assert code == 0, err
    assert "6 persons, 30 images" in out
    assert "heads.global.image" in out
    code, out, err = tool("probe", *arguments, "--split", "train", "test", "--features", "image.pooled")
    assert code == 0, err
    assert "12 of these persons were in the training data" in out
    assert "Dependence" not in out


def test_mistakes_end_with_code_2_and_say_what_to_do(tool, demo, saved, tmp_path):
    arguments = saved(demo[0], *demo[2:])
    for more, message in (
        (["--features", "clothing"], "no feature 'clothing' with one vector per image. There are: image.pooled"),
        (["--split", "tset"], "no split 'tset'"),
        (["--population", 0], "population 0 is the one that the model was trained on"),
        (["--folds", 5], "6 persons are too few for 5 folds"),
        (["--folds", 1], "needs at least 2"),
    ):
        code, _, err = tool("probe", *arguments, *more, "--out", tmp_path / "probes.json")
        assert code == 2
        assert message in err
        assert "Traceback" not in err
    assert not (tmp_path / "probes.json").exists()


def test_checkpoint_of_another_model_is_refused(tool, demo, saved, tmp_path):
    arguments = saved(demo[0], *demo[2:])
    described = torch.load(tmp_path / "model.pth", weights_only=True)
    torch.save(described | {"state_dict": {"other.weight": torch.ones(3)}}, tmp_path / "model.pth")
    code, _, err = tool("probe", *arguments)
    assert code == 2
    assert "other.weight" in err
