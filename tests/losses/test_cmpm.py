import math

import numpy as np
import pytest
import torch
from golden_files import each_golden
from golden_losses import check_golden_loss
from loss_pairs import pairs, waves

from tbpsbench.losses.cmpm import CMPM


def by_loop(image, text, pid, eps):
    """The definition, pair by pair, in float64."""
    losses = np.zeros(len(pid))
    for anchor, positive in ((image, text), (text, image)):
        for i in range(len(pid)):
            row = [anchor[i] @ positive[j] / np.linalg.norm(positive[j]) for j in range(len(pid))]
            log_sum = math.log(sum(math.exp(x) for x in row))
            matches = sum(pid[j] == pid[i] for j in range(len(pid)))
            for j, x in enumerate(row):
                label = (pid[j] == pid[i]) / math.sqrt(matches)
                losses[i] += math.exp(x - log_sum) * (x - log_sum - math.log(label + eps))
    return losses


@pytest.mark.parametrize("pid", [[0, 0, 1, 2, 1], [3, 3, 3, 3, 3], [0, 1, 2, 3, 4], [7]])
def test_value_equals_the_definition(pid):
    image, text = np.random.default_rng(0).normal(size=(2, len(pid), 6))
    out = CMPM()(*pairs(image, text, pid))
    expected = by_loop(image, text, np.array(pid), 1e-8)
    # The logarithm of the labels is taken in float32, as released.
    np.testing.assert_allclose(out.per_sample.numpy(), expected, rtol=1e-6, atol=1e-7)
    assert out.value.item() == pytest.approx(expected.mean(), rel=1e-6, abs=1e-7)


@each_golden("losses")
def test_golden_losses_cmpm(path):
    check_golden_loss(path, "cmpm", CMPM)


def test_golden_losses_cmpm_of_sines_and_cosines():
    assert CMPM()(*waves()).value.item() == pytest.approx(20.548157, rel=1e-6)


def test_gradient_in_float64():
    image, text = torch.randn(2, 4, 3, dtype=torch.float64, requires_grad=True).unbind()
    assert torch.autograd.gradcheck(lambda i, t: CMPM()(*pairs(i, t, [0, 1, 0, 2])).value, (image, text))


def test_length_of_a_vector_matters_only_as_temperature():
    image, text = np.random.default_rng(1).normal(size=(2, 4, 6))
    pid = [0, 1, 2, 2]
    assert CMPM()(*pairs(3 * image, text, pid)).value.item() != pytest.approx(CMPM()(*pairs(image, text, pid)).value)


@pytest.mark.parametrize("eps", [0.0, float("nan"), float("inf")])
def test_eps_must_be_positive(eps):
    with pytest.raises(ValueError, match="eps must be positive"):
        CMPM(eps=eps)
