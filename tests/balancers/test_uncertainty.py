import math

import pytest
import torch

from tbpsbench.balancers.uncertainty import Uncertainty
from tbpsbench.types import LossOutput


def outputs(**values):
    return {name: LossOutput(torch.tensor(value, requires_grad=True)) for name, value in values.items()}


def build(**options):
    return Uncertainty(("a", "b", "reg"), ("a", "b"), **options)


def test_value_is_that_of_kendall_et_al():
    balancer = build(weights={"reg": 0.1})
    balancer.log_variance_K.copy_(torch.tensor([0.4, -1.0]))
    losses = outputs(a=2.0, b=3.0, reg=5.0)
    total, log = balancer(losses)
    expected = 2 * math.exp(-0.4) + 3 * math.exp(1.0) + (0.4 - 1.0) / 2 + 0.5
    assert total.item() == pytest.approx(expected, rel=1e-6)
    total.backward()
    assert losses["b"].value.grad.item() == pytest.approx(math.exp(1.0), rel=1e-6)
    assert log["weight_a"].item() == pytest.approx(math.exp(-0.4), rel=1e-6)


def test_constant_losses_end_at_half_their_inverse():
    balancer = build()
    for _ in range(2000):
        balancer(outputs(a=0.2, b=20.0, reg=1.0))
    assert balancer.log_variance_K.neg().exp().tolist() == pytest.approx([2.5, 0.025], rel=1e-2)


def test_loss_at_zero_stays_within_the_bounds():
    balancer = build(lr=1.0, bounds=(0.01, 5.0))
    for _ in range(50):
        balancer(outputs(a=0.0, b=1e6, reg=1.0))
    assert balancer.log_variance_K.neg().exp().tolist() == pytest.approx([5.0, 0.01])


def test_loss_that_is_not_finite_moves_nothing():
    balancer = build()
    balancer(outputs(a=math.nan, b=1.0, reg=1.0))
    assert balancer.log_variance_K.tolist() == [0, 0]


def test_balance_and_bounds_are_checked():
    with pytest.raises(ValueError, match="balance names 'c'"):
        build(balance=["c"])
    for bounds in ((0.0, 2.0), (0.5, math.inf), (math.nan, 2.0)):
        with pytest.raises(ValueError, match="bounds need 0 < low <= 1 <= high, both finite"):
            build(bounds=bounds)


def test_misspelt_weight_is_told_all_losses():
    with pytest.raises(ValueError, match=r"a weight for 'rge', but the losses are a, b, reg\. Did you mean 'reg'"):
        build(weights={"rge": 1.0})
