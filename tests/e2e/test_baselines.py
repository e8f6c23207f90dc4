"""The baselines' configs from scratch train, evaluate and write a record."""

import pytest
import torch

from tbpsbench.testing import mock_run


@pytest.mark.parametrize(
    "config", ["configs/clip/clip_tiny_mini-pedes.py", "configs/tbps_clip/tbps-clip_tiny_mini-pedes.py"]
)
def test_baseline_trains_and_is_evaluated(config, tmp_path, mini):
    record = mock_run(config, tmp_path, f"data.dataset.root={mini}", "evaluation.interval=1")
    assert record["results"]["standard"]["scores"]["mAP"] > 0
    state = torch.load(tmp_path / "run" / "last.pth", weights_only=True)["state_dict"]
    if "tbps" in config:
        assert state["losses.nitc.seen"] == record["cost"]["steps"]
    else:
        assert not any(key.startswith("losses.") for key in state)
