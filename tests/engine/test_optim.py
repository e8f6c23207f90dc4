from pathlib import Path

import pytest
import torch
from torch import nn

from tbpsbench.config.limits import optimizer_problems
from tbpsbench.config.schema import RuntimeSection
from tbpsbench.engine.optim import build_optim_wrapper, build_optimizer
from tbpsbench.engine.param_groups import ParamGroups
from tbpsbench.engine.resumable import resume_optimizer
from tbpsbench.errors import CheckpointError, ConfigError, RegistryError
from tbpsbench.registry import OPTIMIZERS, PARAM_GROUPS


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
def shrinking():
    """A plug-in's optimiser that decays unless it is told otherwise, and hands its defaults on."""

    class Decaying(torch.optim.SGD):
        def __init__(self, params, lr: float, weight_decay: float = 0.05):
            super().__init__(params, lr=lr, weight_decay=weight_decay)

    @OPTIMIZERS.register("Shrinking")
    class Shrinking(Decaying):
        def __init__(self, params, lr: float, **more):
            super().__init__(params, lr, **more)

    yield Shrinking
    OPTIMIZERS.remove("Shrinking")


@pytest.mark.parametrize(
    ("config", "decay"),
    [
        ({"type": "AdamW"}, 0.01),
        ({"type": "AdamW", "weight_decay": 0.0}, 0.0),
        ({"type": "AdamW", "weight_decay": 0.3}, 0.3),
        ({"type": "Adam"}, 0.0),
        ({"type": "Rprop"}, 0.0),
        ({"type": "Shrinking"}, 0.05),
    ],
)
def test_a_weight_decay_that_is_left_out_is_the_optimisers_own(shrinking, config, decay):
    network = model()
    before = torch.random.get_rng_state()
    (group,) = build_optimizer({**config, "lr": 0.1}, None, network).param_groups
    assert group["weight_decay"] == decay
    assert torch.equal(torch.random.get_rng_state(), before), "nothing is drawn for it"
    groups = {"type": "PatternGroups", "no_decay_on_vectors": True}
    for group in build_optimizer({**config, "lr": 0.1}, groups, model()).param_groups:
        matrices = any(parameter.ndim > 1 for parameter in group["params"])
        assert group["weight_decay"] == (decay if matrices or decay == 0 else 0.0)


@pytest.fixture
def grouping():
    """A plug-in's parameter groups, as a test makes them of the model."""

    @PARAM_GROUPS.register("Grouping")
    class Grouping(ParamGroups):
        make = None

        def __call__(self, model, lr, weight_decay):
            return type(self).make(model)

    yield Grouping
    PARAM_GROUPS.remove("Grouping")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda m: [{"params": list(m.parameters())[:1]}], "Grouping leaves out 0.bias and 2 more, which would not be"),
        (lambda m: [{"params": m[0].parameters()}, {"params": m[1].weight}], "Grouping leaves out 1.bias, which would"),
        (lambda m: [list(m.parameters())], r"Grouping gives a list as a group, expected dict\(params="),
        (lambda m: [{"params": list(m.parameters())}, {"params": [m[0].bias]}], "more than one parameter group"),
    ],
)
def test_groups_that_leave_something_out_are_refused(grouping, make, message):
    grouping.make = make
    with pytest.raises(ConfigError, match=message):
        build_optimizer({"type": "SGD", "lr": 0.1}, {"type": "Grouping"}, model())


@pytest.mark.parametrize(
    "make",
    [
        lambda m: [{"params": m.parameters()}],
        lambda m: ({"params": part.parameters(), "lr": 0.5} for part in m),
        lambda m: [{"params": weight} for weight in m.parameters()],
        lambda m: [{"params": list(m.named_parameters())}],
        lambda m: [{"params": list(m.requires_grad_(False)[1].requires_grad_().parameters())}],  # the rest is frozen
    ],
)
def test_groups_may_come_in_every_form_that_torch_takes(grouping, make):
    grouping.make, network = make, model()
    optimizer = build_optimizer({"type": "SGD", "lr": 0.1}, {"type": "Grouping"}, network)
    there = {id(parameter) for group in optimizer.param_groups for parameter in group["params"]}
    assert there == {id(parameter) for parameter in network.parameters() if parameter.requires_grad}


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
