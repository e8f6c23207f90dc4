"""A real, tiny run that is interrupted and resumed has the weights of one that was not, bit for bit."""

import pytest
import torch

from tbpsbench.config.check import require_valid
from tbpsbench.config.load import load_config
from tbpsbench.engine import checkpoint
from tbpsbench.engine.run import build_run
from tbpsbench.engine.train import Training
from tbpsbench.engine.workdir import LAST, WorkDir
from tbpsbench.weights.files import read_checkpoint

LAYER = "image_encoder.visual.ln_post"


def train(demo, folder, balancer, resume):
    losses = "dict(type='Triplet', feature='image.pooled', normalize=True)"
    overrides = [*demo[2:], f"model.losses.triplet={losses}", f"model.balancer={balancer}", "schedule.max_epochs=2"]
    config = load_config(demo[0], [*overrides, "data.num_workers=0"])
    require_valid(config)
    workdir = WorkDir(folder, resume=resume)
    try:
        Training(build_run(config), workdir).train()
    finally:
        workdir.release()


@pytest.mark.parametrize("balancer", [f"dict(type='GradNorm', layer='{LAYER}')", "dict(type='Uncertainty')"])
def test_resumed_run_equals_an_uninterrupted_one(demo, tmp_path, monkeypatch, balancer):
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    broken.mkdir()
    save = checkpoint.save

    def save_twice(content, path):
        save(content, path)
        if content["meta"]["epoch"] == 1:
            save(content, broken / path.name)

    monkeypatch.setattr(checkpoint, "save", save_twice)
    train(demo, whole, balancer, resume="no")
    monkeypatch.undo()
    start = read_checkpoint(broken / LAST)["state_dict"]
    train(demo, broken, balancer, resume="auto")
    one, other = (read_checkpoint(folder / LAST)["state_dict"] for folder in (whole, broken))
    assert one.keys() == other.keys()
    for key, value in one.items():
        assert torch.equal(value, other[key]), key
    learnt = [key for key in one if key.startswith("balancer.log_")]
    assert learnt
    for key in learnt:
        assert start[key].abs().min() > 0
        assert not torch.equal(start[key], one[key])
