import math

import numpy as np
import pytest
import torch

from tbpsbench.losses.simclr import SimCLR
from tbpsbench.types import Features

DIMS = {"a": 6, "b": 6, "narrow": 5}


def loss_of(count, dtype=torch.float64, **options):
    torch.manual_seed(0)
    loss = SimCLR(DIMS, "a", "b", hidden=7, out_dim=4, **options).to(dtype)
    rows = torch.randn(2, count, 6, dtype=dtype, generator=torch.Generator().manual_seed(1))
    return loss, Features({"a": rows[0].requires_grad_(), "b": rows[1].requires_grad_()})


def by_loop(loss, features):
    """The definition, vector by vector: the match against all others of both views, itself left out."""
    views = [loss.projection(features[name]).detach().numpy() for name in ("a", "b")]
    vectors = [row / np.linalg.norm(row) for view in views for row in view]
    count = len(vectors) // 2
    losses = np.zeros(count)
    for i, vector in enumerate(vectors):
        match = (i + count) % (2 * count)
        others = [math.exp(vector @ other / loss.temperature) for j, other in enumerate(vectors) if j != i]
        losses[i % count] -= math.log(math.exp(vector @ vectors[match] / loss.temperature) / sum(others)) / 2
    return losses


@pytest.mark.parametrize("count", [1, 2, 5])
@pytest.mark.parametrize("temperature", [0.1, 0.7])
def test_value_equals_the_definition(count, temperature):
    loss, features = loss_of(count, temperature=temperature)
    out = loss(features, None)
    np.testing.assert_allclose(out.per_sample.detach().numpy(), by_loop(loss, features), rtol=1e-9, atol=1e-12)
    assert out.value.item() == pytest.approx(by_loop(loss, features).mean())


def test_gradients_are_those_of_finite_differences():
    loss, features = loss_of(3)

    def value(a, b):
        return loss(Features({"a": a, "b": b}), None).value

    assert torch.autograd.gradcheck(value, (features["a"], features["b"]))


def test_equal_views_score_better_than_exchanged_ones():
    loss, features = loss_of(4)
    same = loss(Features({"a": features["a"], "b": features["a"]}), None).value
    rolled = loss(Features({"a": features["a"], "b": features["a"].roll(1, 0)}), None).value
    assert same < rolled


def test_half_precision_features_are_compared_in_float32():
    loss, features = loss_of(4, torch.float32)
    halves = Features({name: features[name].to(torch.bfloat16) for name in ("a", "b")})
    assert loss(halves, None).value.dtype == torch.float32


def test_bad_arguments_are_refused():
    for wrong in ({"temperature": 0.0}, {"temperature": float("nan")}, {"hidden": 0}, {"out_dim": -1}):
        with pytest.raises(ValueError, match=f"{next(iter(wrong))} must be positive"):
            SimCLR(DIMS, "a", "b", **wrong)
    with pytest.raises(ValueError, match="a is 6 wide and narrow 5: one projection takes both"):
        SimCLR(DIMS, "a", "narrow")
