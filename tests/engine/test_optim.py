from pathlib import Path

import pytest
import torch
from torch import nn

from tbpsbench.config.limits import optimizer_problems
from tbpsbench.config.schema import RuntimeSection
from tbpsbench.engine.optim import build_optim_wrapper, build_optimizer
from tbpsbench.engine.resumable import resume_optimizer
from tbpsbench.errors import CheckpointError, ConfigError, RegistryError
from tbpsbench.registry import OPTIMIZERS


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


@pytest.fixture
def whitened():
    """An optimiser that is not torch's, whose state has a shape of its own."""

    @OPTIMIZERS.register("Whitened")
    class Whitened(torch.optim.Optimizer):
        def __init__(self, params, lr: float, floor: float = 0.1):
            if floor == 13:
                raise OSError("no such floor")
            super().__init__(params, {"lr": lr, "floor": floor})

        @torch.no_grad()
        def step(self, closure=None):
            for group in self.param_groups:
                for weight in group["params"]:
                    rows = weight.grad.reshape(len(weight), -1)
                    state = self.state[weight]
                    state["outer"] = state.get("outer", group["floor"] * torch.eye(len(rows))) + rows @ rows.T
                    weight -= group["lr"] * torch.linalg.solve(state["outer"], rows).reshape(weight.shape)

    yield Whitened
    OPTIMIZERS.remove("Whitened")


def test_optimiser_of_a_plug_in_trains_and_goes_on_from_a_state_of_any_shape(whitened):
    config = {"type": "Whitened", "lr": 0.05}
    assert not list(optimizer_problems(config))
    optimizer, weights = trained(config)
    assert isinstance(optimizer, whitened)
    assert not all(torch.equal(one, other) for one, other in zip(weights, model().parameters(), strict=True))
    kept = build_optim_wrapper(optimizer, RuntimeSection()).state_dict()
    other = build_optim_wrapper(build_optimizer(config, None, model()), RuntimeSection())
    assert resume_optimizer({"optimizer": kept}, Path("last.pth"), other, ()) is None
    for one, two in zip(optimizer.state.values(), other.optimizer.state.values(), strict=True):
        assert torch.equal(one["outer"], two["outer"])
    foreign = {**kept, "state": {99: {}}}
    with pytest.raises(CheckpointError, match="does not fit this model"):
        resume_optimizer({"optimizer": foreign}, Path("last.pth"), other, ())


def test_what_an_optimiser_of_a_plug_in_raises_is_told_as_a_fault_of_the_config(whitened):
    config = {"type": "Whitened", "lr": 0.05, "floor": 13.0}
    (problem,) = optimizer_problems(config)
    assert "Whitened cannot train a model" in problem.message
    assert "no such floor" in problem.message
    with pytest.raises(ConfigError, match="optimizer: Whitened: no such floor"):
        build_optimizer(config, None, model())
    (problem,) = optimizer_problems({"type": "Whitened", "lr": 0.05, "params": []})
    assert problem.path == "optimizer.params"


def test_an_optimiser_takes_neither_the_name_nor_the_place_of_torchs(whitened):
    with pytest.raises(RegistryError, match=r"the name 'AdamW' is taken by the built-in torch\.optim"):
        OPTIMIZERS.register("AdamW")(whitened)
    with pytest.raises(RegistryError, match=r"must inherit from torch\.optim\.Optimizer"):
        OPTIMIZERS.register("Other")(nn.Linear)
    assert OPTIMIZERS.get("AdamW") is torch.optim.AdamW
