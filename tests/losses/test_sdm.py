import math

import numpy as np
import pytest
import torch
from golden_files import each_golden
from golden_losses import check_golden_loss
from loss_pairs import pairs, waves
from torch.nn.functional import normalize

from tbpsbench.losses.sdm import SDM


def by_loop(image, text, pid, temperature, eps):
    """The definition, pair by pair, in float64."""
    image, text = (x / np.linalg.norm(x, axis=1, keepdims=True) for x in (image, text))
    cosines = image @ text.T
    losses = np.zeros(len(pid))
    for matrix in (cosines, cosines.T):
        for i, row in enumerate(matrix):
            total = sum(math.exp(x / temperature) for x in row)
            same = sum(other == pid[i] for other in pid)
            for j, x in enumerate(row):
                p = math.exp(x / temperature) / total
                q = (pid[j] == pid[i]) / same
                losses[i] += p * (math.log(p) - math.log(q + eps))
    return losses


@pytest.mark.parametrize("eps", [1e-8, 1e-2])
@pytest.mark.parametrize("pid", [[0, 0, 1, 2, 1], [3, 3, 3, 3, 3], [0, 1, 2, 3, 4], [7]])
def test_value_equals_the_definition(pid, eps):
    rng = np.random.default_rng(0)
    image, text = rng.normal(size=(2, len(pid), 6))
    out = SDM(temperature=0.2, eps=eps)(*pairs(image, text, pid))
    expected = by_loop(image, text, pid, 0.2, eps)
    np.testing.assert_allclose(out.per_sample.numpy(), expected, rtol=1e-6, atol=1e-6)
    assert out.value.item() == pytest.approx(expected.mean(), rel=1e-6, abs=1e-6)


def test_one_pair_costs_nothing():
    out = SDM()(*pairs(torch.randn(1, 4), torch.randn(1, 4), [3]))
    assert out.value.item() == pytest.approx(0.0, abs=1e-6)


def test_the_numbers_of_the_released_objective():
    assert SDM()(*waves()).value.item() == pytest.approx(23.372227, rel=1e-6)


@each_golden("losses")
def test_golden_losses_sdm(path):
    check_golden_loss(path, "sdm", lambda t: SDM(temperature=t))


def test_gradient_in_float64():
    loss = SDM(temperature=0.5)
    image, text = torch.randn(2, 4, 3, dtype=torch.float64, requires_grad=True).unbind()
    pid = torch.tensor([0, 1, 0, 2])
    assert torch.autograd.gradcheck(lambda i, t: loss(*pairs(i, t, pid)).value, (image, text))


def test_pairs_without_weight_do_not_count():
    image, text, pid = torch.randn(4, 6), torch.randn(4, 6), [0, 1, 1, 2]
    plain = SDM()(*pairs(image, text, pid))
    out = SDM(pair_weights=True)(*pairs(image, text, pid, [1.0, 0.0, 1.0, 0.0]))
    assert out.value.item() == pytest.approx(plain.per_sample[[0, 2]].mean().item(), rel=1e-6)
    torch.testing.assert_close(out.per_sample, plain.per_sample)
    assert SDM(pair_weights=True)(*pairs(image, text, pid, [0.0] * 4)).value.item() == 0.0


def test_half_precision_features_are_compared_in_float32():
    image, text = normalize(torch.randn(2, 8, 16), dim=-1).bfloat16()
    wide = SDM()(*pairs(image.float(), text.float(), torch.arange(8))).value
    assert SDM()(*pairs(image, text, torch.arange(8))).value.item() == pytest.approx(wide.item(), rel=1e-6)


@pytest.mark.parametrize("arguments", [{"temperature": 0.0}, {"temperature": float("nan")}, {"eps": -1.0}])
def test_temperature_and_eps_must_be_positive(arguments):
    with pytest.raises(ValueError, match=f"{next(iter(arguments))} must be positive"):
        SDM(**arguments)
