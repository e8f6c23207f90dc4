import pytest
import torch
from torch import nn

from tbpsbench.engine.optim import build_optimizer


def model():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(5, 4), nn.Linear(4, 3))


def trained(config, steps=5):
    network = model()
    optimizer = build_optimizer(config, None, network)
    for step in range(steps):
        network(torch.full((2, 5), float(step))).square().mean().backward()
        optimizer.step()
        optimizer.zero_grad()
    return optimizer, [parameter.detach() for parameter in network.parameters()]


@pytest.mark.parametrize("name", ["Adam", "AdamW", "SGD"])
def test_fused_pass_is_the_default_and_changes_nothing_but_rounding(name):
    config = {"type": name, "lr": 0.01, "weight_decay": 0.1}
    fused, mine = trained(config)
    plain, theirs = trained({**config, "foreach": False})
    assert fused.defaults["fused"] is True
    assert not plain.defaults["fused"]
    for one, other in zip(mine, theirs, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-6)


def test_the_configs_own_choice_and_other_optimisers_are_left_alone():
    assert build_optimizer({"type": "Adam", "lr": 0.1, "fused": False}, None, model()).defaults["fused"] is False
    assert build_optimizer({"type": "Adam", "lr": 0.1, "foreach": True}, None, model()).defaults["fused"] is None
    build_optimizer({"type": "RMSprop", "lr": 0.1}, None, model())
