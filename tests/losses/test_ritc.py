import math

import numpy as np
import pytest
import torch
from loss_pairs import log_shares, pairs, waves

from tbpsbench.losses.ritc import RITC
from tbpsbench.losses.sdm import SDM


def by_loop(image, text, pid, temperature, eps):
    """The definition, pair by pair, in float64."""
    losses = np.zeros(len(pid))
    for i, j, x in log_shares(image, text, temperature):
        share = (pid[j] == pid[i]) / (pid == pid[i]).sum()
        losses[i] += math.exp(x) * (x - math.log(share + eps)) / 2
    return losses


@pytest.mark.parametrize("pid", [[0, 0, 1, 2, 1], [3, 3, 3, 3, 3], [0, 1, 2, 3, 4], [7]])
def test_value_equals_the_definition(pid):
    image, text = np.random.default_rng(0).normal(size=(2, len(pid), 6))
    out = RITC(temperature=0.2)(*pairs(image, text, pid))
    expected = by_loop(image, text, np.array(pid), 0.2, 1e-2)
    # The logarithm of the labels is taken in float32, as released.
    np.testing.assert_allclose(out.per_sample.numpy(), expected, rtol=1e-6, atol=1e-7)
    assert out.value.item() == pytest.approx(expected.mean(), rel=1e-6, abs=1e-7)


def test_golden_losses_ritc_of_sines_and_cosines():
    assert RITC()(*waves()).value.item() == pytest.approx(2.91667, abs=1e-5)


def test_half_of_sdm_with_the_same_eps():
    batch = pairs(*np.random.default_rng(0).normal(size=(2, 5, 6)), [0, 0, 1, 2, 1])
    expected = SDM(temperature=0.1, eps=1e-2)(*batch).value / 2
    torch.testing.assert_close(RITC(temperature=0.1)(*batch).value, expected)


def test_gradient_in_float64():
    loss = RITC(temperature=0.5)
    image, text = torch.randn(2, 4, 3, dtype=torch.float64, requires_grad=True).unbind()
    assert torch.autograd.gradcheck(lambda i, t: loss(*pairs(i, t, [0, 1, 0, 2])).value, (image, text))


@pytest.mark.parametrize(("count", "lower"), [(90, "right"), (120, "flat")])
def test_flat_softmax_scores_lower_in_batches_of_more_than_a_hundred(count, lower):
    features, pid = np.eye(count), np.arange(count)
    right = RITC(temperature=0.001)(*pairs(features, features, pid)).value
    flat = RITC(temperature=1000.0)(*pairs(features, features, pid)).value
    assert (right < flat) == (lower == "right")


def test_learnt_scale_gets_a_gradient():
    loss = RITC(learnable=True)
    loss(*pairs(*np.random.default_rng(0).normal(size=(2, 3, 6)), [0, 1, 2])).value.backward()
    assert loss.scale.log.grad.abs() > 0


@pytest.mark.parametrize("eps", [0.0, float("nan"), float("inf")])
def test_eps_must_be_positive(eps):
    with pytest.raises(ValueError, match="eps must be positive"):
        RITC(eps=eps)
