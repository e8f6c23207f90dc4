import math

import numpy as np
import pytest
import torch
from torch.nn.functional import normalize

from tbpsbench.losses.ritc import RITC
from tbpsbench.losses.sdm import SDM
from tbpsbench.types import Batch, Embedding, Features


def make(image, text, pid):
    image, text, pid = (torch.as_tensor(x) for x in (image, text, pid))
    zeros = torch.zeros(len(pid), dtype=torch.long)
    features = Features(heads={"global": Embedding(image, text)})
    return features, Batch(None, {}, pid, zeros, zeros, zeros, torch.ones(len(pid)))


def by_loop(image, text, pid, temperature, eps):
    """The definition, pair by pair, in float64."""
    image, text = (x / np.linalg.norm(x, axis=1, keepdims=True) for x in (image, text))
    losses = np.zeros(len(pid))
    for logits in (image @ text.T / temperature, text @ image.T / temperature):
        for i, row in enumerate(logits):
            log_sum = math.log(sum(math.exp(x) for x in row))
            for j, x in enumerate(row):
                share = (pid[j] == pid[i]) / (pid == pid[i]).sum()
                losses[i] += math.exp(x - log_sum) * (x - log_sum - math.log(share + eps)) / 2
    return losses


@pytest.mark.parametrize("pid", [[0, 0, 1, 2, 1], [3, 3, 3, 3, 3], [0, 1, 2, 3, 4], [7]])
def test_value_equals_the_definition(pid):
    image, text = np.random.default_rng(0).normal(size=(2, len(pid), 6))
    out = RITC(temperature=0.2)(*make(image, text, pid))
    expected = by_loop(image, text, np.array(pid), 0.2, 1e-2)
    # The logarithm of the labels is taken in float32, as released.
    np.testing.assert_allclose(out.per_sample.numpy(), expected, rtol=1e-6, atol=1e-7)
    assert out.value.item() == pytest.approx(expected.mean(), rel=1e-6, abs=1e-7)


def test_golden_losses_ritc_of_sines_and_cosines():
    steps = torch.arange(1, 25, dtype=torch.float64).reshape(4, 6)
    batch = make(normalize(steps.sin(), dim=1), normalize(steps.cos(), dim=1), [0, 0, 1, 2])
    assert RITC()(*batch).value.item() == pytest.approx(2.91667, abs=1e-5)


def test_half_of_sdm_with_the_same_eps():
    batch = make(*np.random.default_rng(0).normal(size=(2, 5, 6)), [0, 0, 1, 2, 1])
    expected = SDM(temperature=0.1, eps=1e-2)(*batch).value / 2
    torch.testing.assert_close(RITC(temperature=0.1)(*batch).value, expected)


def test_gradient_in_float64():
    loss = RITC(temperature=0.5)
    image, text = torch.randn(2, 4, 3, dtype=torch.float64, requires_grad=True).unbind()
    assert torch.autograd.gradcheck(lambda i, t: loss(*make(i, t, [0, 1, 0, 2])).value, (image, text))


@pytest.mark.parametrize(("pairs", "lower"), [(90, "right"), (120, "flat")])
def test_flat_softmax_scores_lower_in_batches_of_more_than_a_hundred(pairs, lower):
    features, pid = np.eye(pairs), np.arange(pairs)
    right = RITC(temperature=0.001)(*make(features, features, pid)).value
    flat = RITC(temperature=1000.0)(*make(features, features, pid)).value
    assert (right < flat) == (lower == "right")


def test_learnt_scale_gets_a_gradient():
    loss = RITC(learnable=True)
    loss(*make(*np.random.default_rng(0).normal(size=(2, 3, 6)), [0, 1, 2])).value.backward()
    assert loss.scale.log.grad.abs() > 0


def test_eps_must_be_positive():
    with pytest.raises(ValueError, match="eps must be positive"):
        RITC(eps=0.0)
