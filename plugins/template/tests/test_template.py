"""The contracts of the plug-in's slots, what is its own, and one run on tiny MiniPEDES."""

from pathlib import Path

import pytest
import torch
from tbpsbench_template import GatedSum, PairDistance

from tbpsbench.testing import check_fuser, check_loss, mock_run, toy_batch, toy_dims, toy_features

CONFIG = Path(__file__).parents[1] / "configs" / "template_mini-pedes.py"


def test_contracts():
    check_fuser({"type": "GatedSum"})
    check_loss({"type": "PairDistance"})


def test_pairs_that_agree_cost_nothing_and_opposites_two():
    batch = toy_batch()
    features = toy_features(batch)
    same = PairDistance(anchor="fused", positive="fused")(features, batch)
    features["opposite"] = -features["fused"]
    opposite = PairDistance(anchor="fused", positive="opposite")(features, batch)
    torch.testing.assert_close(same.per_sample, torch.zeros(len(batch)))
    torch.testing.assert_close(opposite.per_sample, 2 * torch.ones(len(batch)))


def test_text_is_dropped_in_training_alone():
    features = toy_features(toy_batch())
    fuser = GatedSum(toy_dims(), text_dropout=1.0)
    assert torch.equal(fuser(features), features["image.pooled"])
    assert not torch.equal(fuser.eval()(features), features["image.pooled"])
    with pytest.raises(ValueError, match="text_dropout is 2"):
        GatedSum(toy_dims(), text_dropout=2)


def test_it_trains_and_the_record_names_the_plug_in(tmp_path):
    record = mock_run(CONFIG, tmp_path)
    (used,) = [plugin for plugin in record["plugins"] if plugin["name"] == "template"]
    assert used["used"]
    assert record["track"] == "dual-encoder"
