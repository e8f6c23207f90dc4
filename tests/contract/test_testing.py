"""The contract checks can fail: each is shown a component that breaks its promise."""

import pytest
import torch
from torch import nn

from tbpsbench import testing
from tbpsbench.balancers.base import Balancer
from tbpsbench.disentanglers.base import Disentangler
from tbpsbench.fusers.base import Fuser
from tbpsbench.heads.base import Head
from tbpsbench.losses.base import Loss
from tbpsbench.registry import BALANCERS, DISENTANGLERS, FUSERS, HEADS, LOSSES
from tbpsbench.types import Embedding, LossOutput


@pytest.fixture
def register():
    added = []

    def add(slot, cls, **kwargs):
        slot.register("Toy", **kwargs)(cls)
        added.append(slot)
        return {"type": "Toy"}

    yield add
    for slot in added:
        slot.remove("Toy")


def test_loss_that_is_nan_for_one_identity_is_caught(register):
    class Bad(Loss):
        def forward(self, features, batch):
            spread = batch.pid_B.float().std(correction=0)
            return LossOutput(features["image.pooled"].sum() * spread / spread)

    with pytest.raises(AssertionError, match=r"nan for identities \(5, 5, 5, 5\)"):
        testing.check_loss(register(LOSSES, Bad, requires=("image.pooled",)))


def test_loss_whose_value_is_not_its_reduction_is_caught(register):
    class Bad(Loss):
        def forward(self, features, batch):
            return LossOutput(features["image.pooled"].sum(), features["image.pooled"].sum(1) + 1, "sum")

    with pytest.raises(AssertionError):
        testing.check_loss(register(LOSSES, Bad, requires=("image.pooled",)))


def test_head_that_needs_both_sides_is_caught(register):
    class Bad(Head):
        dim = testing.WIDTH

        def forward(self, features, batch):
            return Embedding(features["image.pooled"], features["text.query.pooled"])

    with pytest.raises(KeyError, match=r"no feature 'image\.pooled'"):
        testing.check_head(register(HEADS, Bad))


def test_disentangler_that_announces_another_width_is_caught(register):
    class Bad(Disentangler):
        def __init__(self, dims):
            super().__init__()
            self.dims = {"identity": 3}

        def forward(self, features):
            return {"identity": features["image.patches"].mean(1)}

    with pytest.raises(AssertionError, match="identity is 16 wide, announced 3"):
        testing.check_disentangler(register(DISENTANGLERS, Bad, provides=("identity",)))


def test_fuser_that_copies_its_text_through_is_caught(register):
    class Bad(Fuser):
        out_dim = testing.WIDTH

        def __init__(self):
            super().__init__()
            self.null = nn.Parameter(torch.zeros(testing.WIDTH))

        def forward(self, features):
            name = "text.identity.pooled"
            return features[name] if name in features else self.null.expand(6, -1)

    with pytest.raises(AssertionError):
        testing.check_fuser(register(FUSERS, Bad, provides=("fused",)))


def total(losses):
    return torch.stack([loss.value for loss in losses.values()]).sum()


def test_balancer_whose_weights_are_parameters_is_caught(register):
    class Bad(Balancer):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.ones(()))

        def forward(self, losses):
            return self.weight * total(losses), {}

    with pytest.raises(AssertionError, match="task weights are buffers"):
        testing.check_balancer(register(BALANCERS, Bad))


def test_balancer_that_forgets_is_caught(register):
    class Bad(Balancer):
        steps = 0

        def forward(self, losses):
            self.steps += 1
            return self.steps * total(losses), {}

    with pytest.raises(AssertionError, match="differs after saving and loading"):
        testing.check_balancer(register(BALANCERS, Bad))


def test_balancer_that_fills_gradients_is_caught(register):
    class Bad(Balancer):
        def forward(self, losses):
            total(losses).backward(retain_graph=True)
            return total(losses), {}

    with pytest.raises(AssertionError, match="filled gradients of the network"):
        testing.check_balancer(register(BALANCERS, Bad))


def test_balancer_that_learns_in_evaluation_is_caught(register):
    class Bad(Balancer):
        def __init__(self):
            super().__init__()
            self.register_buffer("steps", torch.zeros(()))

        def forward(self, losses):
            self.steps += 1
            return total(losses), {}

    with pytest.raises(AssertionError, match="steps changed in evaluation"):
        testing.check_balancer(register(BALANCERS, Bad))
