"""The contracts of losses and balancers can fail: each is shown a component that breaks a promise."""

import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from tbpsbench import testing
from tbpsbench.balancers.base import Balancer
from tbpsbench.losses.base import Loss
from tbpsbench.registry import BALANCERS, LOSSES
from tbpsbench.types import LossOutput


def loss(value):
    class Bad(Loss):
        def forward(self, features, batch):
            return value(features["image.pooled"], batch)

    return Bad


def spread(x, batch):
    ids = batch.pid_B.float().std(correction=0)
    return LossOutput(x.sum() * ids / ids)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (spread, r"nan for identities \(5, 5, 5, 5\), expected a finite number"),
        (lambda x, b: LossOutput(x.sum(), x.sum(1) + 1, "sum"), "is not the sum of per_sample, expected it to be"),
        (lambda x, b: x.sum(), "returned Tensor, expected LossOutput"),
        (lambda x, b: LossOutput(x.sum(1)), r"has shape \(6,\), expected a scalar"),
        (
            lambda x, b: LossOutput.mean(x.sum(1), more=x[0]),
            r"of shape \(\d+,\) as stats\['more'\], expected a scalar",
        ),
        (lambda x, b: LossOutput.mean(x.detach().sum(1)), "no required feature gets a gradient, expected one"),
        (
            lambda x, b: LossOutput((x.square().sum() * 0).clamp(min=1.0)),
            "no required feature gets a gradient, expected",
        ),
        (lambda x, b: LossOutput(x.sum() * 0), "no required feature gets a gradient, expected one that is not zero"),
        (lambda x, b: LossOutput((x - x).norm(dim=1).sum() + (x - x).sqrt().sum()), "a gradient is not finite"),
        (lambda x, b: LossOutput(x.sum() * torch.rand(())), "two calls on one batch gave different values"),
    ],
)
def test_broken_loss_is_caught(register, value, message):
    with pytest.raises(AssertionError, match=message):
        testing.check_loss(register(LOSSES, loss(value), requires=("image.pooled",)))


def test_loss_that_does_not_say_what_it_requires_is_caught(register):
    with pytest.raises(
        AssertionError, match=r"'image\.pooled' and does not require it, .*registered without `requires`"
    ):
        testing.check_loss(register(LOSSES, loss(lambda x, b: LossOutput.mean(x.sum(1)))))


class Reads(Loss):
    """The squares of some features."""

    names: tuple[str, ...] = ()

    def forward(self, features, batch):
        return LossOutput.mean(sum(features[name].flatten(1).square().sum(1) for name in self.names))


@pytest.mark.parametrize("more", ["clothing", "text.masked.pooled", "heads.global.text", "view.second.image.pooled"])
def test_loss_that_requires_less_than_it_reads_is_caught(register, more):
    class Bad(Reads):
        names = ("image.pooled", more)

    with pytest.raises(AssertionError, match=f"Toy reads the feature '{more}' and does not require it, expected"):
        testing.check_loss(register(LOSSES, Bad, requires=("image.pooled",)))
    LOSSES.remove("Toy")
    testing.check_loss(register(LOSSES, Bad, requires=("image.pooled", more)))


@pytest.mark.parametrize("name", ["hair", "hair.tokens", "heads.part.image", "heads.part.text", "view.third.hair"])
def test_loss_on_features_of_others_passes(register, name):
    """As another plug-in's disentangler makes them, or another head."""

    class Hair(Reads):
        names = (name,)

        def __init__(self, dims):
            super().__init__()
            assert dims[name] == testing.WIDTH

    testing.check_loss(register(LOSSES, Hair, requires=(name, "pid")))


def test_loss_on_a_label_of_the_data_passes(register):
    class Labelled(Loss):
        def forward(self, features, batch):
            return LossOutput.mean(cross_entropy(features["image.pooled"], features["extras.gait"], reduction="none"))

    testing.check_loss(register(LOSSES, Labelled, requires=("image.pooled", "extras.gait")))


def test_loss_that_keeps_what_no_checkpoint_holds_is_caught(register):
    bad = loss(lambda x, b: LossOutput.mean(x.sum(1)))
    bad.get_extra_state, bad.set_extra_state = lambda self: {"a": 1}, lambda self, state: None
    with pytest.raises(AssertionError, match="_extra_state is a dict, expected a tensor"):
        testing.check_loss(register(LOSSES, bad, requires=("image.pooled",)))


def total(losses):
    return torch.stack([loss.value for loss in losses.values()]).sum()


def test_balancer_whose_weights_are_parameters_is_caught(register):
    class Bad(Balancer):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.ones(()))

        def forward(self, losses):
            return self.weight * total(losses), {}

    with pytest.raises(AssertionError, match="has parameters, expected none: task weights are buffers"):
        testing.check_balancer(register(BALANCERS, Bad))


def test_balancer_that_learns_in_evaluation_is_caught(register):
    class Bad(Balancer):
        def __init__(self):
            super().__init__()
            self.register_buffer("steps", torch.zeros(()))

        def forward(self, losses):
            self.steps += 1
            return total(losses), {}

    with pytest.raises(AssertionError, match="steps changed in evaluation, expected training alone"):
        testing.check_balancer(register(BALANCERS, Bad))


def filled(self, losses):
    total(losses).backward(retain_graph=True)
    return total(losses), {}


def forgetful(self, losses):
    self.steps = getattr(self, "steps", 0) + 1
    return self.steps * total(losses), {}


def chatty(self, losses):
    self.steps = getattr(self, "steps", 0) + 1
    return total(losses), {f"weight_{self.steps}": torch.ones(())}


def noted(self, losses):
    self.steps = getattr(self, "steps", 0) + 1
    return total(losses), {"weight": self.steps}


@pytest.mark.parametrize(
    ("forward", "message"),
    [
        (filled, "filled gradients of the network, expected none"),
        (forgetful, "total differs after saving and loading, expected equal ones"),
        (chatty, "log differs after saving and loading .*, expected equal names"),
        (noted, "logged value differs after saving and loading, expected equal ones"),
        (lambda self, losses: (total(losses).repeat(2), {}), r"has shape \(2,\), expected a scalar"),
        (lambda self, losses: (total(losses) / 0, {}), "the total is inf, expected a finite number"),
        (lambda self, losses: (total(losses).detach(), {}), "the total has no gradient, expected one"),
        (lambda self, losses: (total(losses).sub(total(losses)).sqrt(), {}), "missing or not finite, expected numbers"),
    ],
)
def test_broken_balancer_is_caught(register, forward, message):
    with pytest.raises(AssertionError, match=message):
        testing.check_balancer(register(BALANCERS, type("Bad", (Balancer,), {"forward": forward})))
