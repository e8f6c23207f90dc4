"""TRL against the definition, the released code's numbers, and batches without negatives."""

import math

import numpy as np
import pytest
import torch
from golden_files import each_golden
from golden_losses import check_golden_loss
from torch.nn.functional import normalize

from tbpsbench.losses.trl import TRL
from tbpsbench.types import Batch, Embedding, Features


def make(image, text, pid, weight=None):
    image, text, pid = (torch.as_tensor(x) for x in (image, text, pid))
    zeros = torch.zeros(len(pid), dtype=torch.long)
    weight = torch.ones(len(pid)) if weight is None else torch.as_tensor(weight)
    return Features(heads={"global": Embedding(image, text)}), Batch(None, {}, pid, zeros, zeros, zeros, weight)


def by_loop(image, text, pid, temperature, margin):
    """The definition, pair by pair, in float64."""
    image, text = (x / np.linalg.norm(x, axis=1, keepdims=True) for x in (image, text))
    losses = np.zeros(len(pid))
    for matrix in (image @ text.T, text @ image.T):
        for i, row in enumerate(matrix):
            same = [x for x, other in zip(row, pid, strict=True) if other == pid[i]]
            negatives = [x for x, other in zip(row, pid, strict=True) if other != pid[i]]
            total = sum(math.exp(x / temperature) for x in same)
            positive = sum(math.exp(x / temperature) / total * x for x in same)
            if negatives:
                negative = max(0.0, *negatives)
                losses[i] += max(0.0, margin - positive + negative)
    return losses


@pytest.mark.parametrize("pid", [[0, 0, 1, 2, 1], [3, 3, 3, 3, 3], [0, 1, 2, 3, 4], [7]])
def test_value_equals_the_definition(pid):
    image, text = np.random.default_rng(0).normal(size=(2, len(pid), 6))
    out = TRL(temperature=0.05, margin=0.2)(*make(image, text, pid))
    expected = by_loop(image, text, pid, 0.05, 0.2)
    np.testing.assert_allclose(out.per_sample.numpy(), expected, rtol=1e-10, atol=1e-12)
    assert out.value.item() == pytest.approx(expected.sum(), rel=1e-10)
    assert out.reduction == "sum"


@each_golden("losses")
def test_golden_losses_trl(path):
    check_golden_loss(path, "trl", lambda tau, m: TRL(temperature=tau, margin=m))


def test_values_of_the_released_code_on_four_pairs():
    rows = torch.stack([torch.arange(1.0, 25).sin(), torch.arange(1.0, 25).cos()]).double().view(2, 4, 6)
    out = TRL()(*make(*rows.unbind(), [0, 0, 1, 2]))
    np.testing.assert_allclose(out.per_sample.numpy(), [0.73290, 0.66111, 0.99861, 0.86254], atol=1e-5)


@pytest.mark.parametrize("pid", [[4, 4, 4], [4]])
def test_one_identity_alone_costs_nothing_and_moves_nothing(pid):
    image, text = (torch.randn(len(pid), 6).requires_grad_() for _ in range(2))
    out = TRL()(*make(image, text, pid))
    out.value.backward()
    assert out.value.item() == 0.0
    assert torch.equal(image.grad, torch.zeros_like(image))
    assert torch.equal(text.grad, torch.zeros_like(text))


def test_gradient_in_float64():
    """With one positive per row, whose weight is 1; the weights of several are constants by definition."""
    loss = TRL(temperature=0.3, margin=0.5)
    image, text = torch.randn(2, 4, 3, dtype=torch.float64, requires_grad=True).unbind()
    assert torch.autograd.gradcheck(lambda i, t: loss(*make(i, t, range(4))).value, (image, text))


def test_weights_of_the_positives_are_constants_for_the_gradient():
    image, text = (torch.randn(4, 3, dtype=torch.float64).requires_grad_() for _ in range(2))
    pid = torch.tensor([0, 0, 1, 1])
    TRL(temperature=0.3, margin=2.5)(*make(image, text, pid)).value.backward()
    cosine_BB = normalize(image, dim=-1) @ normalize(text, dim=-1).T
    total = torch.zeros((), dtype=torch.float64)
    for matrix_BB in (cosine_BB, cosine_BB.T):
        same_BB = pid[:, None] == pid[None, :]
        share_BB = (matrix_BB / 0.3).masked_fill(~same_BB, -torch.inf).softmax(dim=1).detach()
        others_BB = matrix_BB.masked_fill(same_BB, 0.0)
        total = total + (2.5 - (share_BB * matrix_BB).sum(1) + others_BB.amax(1)).sum()
    (expected,) = torch.autograd.grad(total, image)
    torch.testing.assert_close(image.grad, expected)


def test_pairs_count_as_much_as_they_are_trusted():
    image, text, pid = torch.randn(4, 6), torch.randn(4, 6), [0, 1, 1, 2]
    plain = TRL(pair_weights=False)(*make(image, text, pid, [0.0] * 4))
    out = TRL()(*make(image, text, pid, [1.0, 0.0, 0.5, 0.0]))
    torch.testing.assert_close(plain.value, plain.per_sample.sum())
    torch.testing.assert_close(out.per_sample, plain.per_sample)
    torch.testing.assert_close(out.value, plain.per_sample[0] + 0.5 * plain.per_sample[2])
    assert TRL()(*make(image, text, pid, [0.0] * 4)).value.item() == 0.0


def test_half_precision_features_are_compared_in_float32():
    image, text = normalize(torch.randn(2, 8, 16), dim=-1).bfloat16()
    wide = TRL()(*make(image.float(), text.float(), range(8))).value
    assert TRL()(*make(image, text, range(8))).value.item() == pytest.approx(wide.item(), rel=1e-6)


def test_small_temperatures_do_not_overflow():
    image = torch.eye(4).repeat(2, 1).requires_grad_()
    out = TRL(temperature=1e-4)(*make(image, torch.eye(4).repeat(2, 1), range(8)))
    out.value.backward()
    assert torch.isfinite(out.value)
    assert torch.isfinite(image.grad).all()


@pytest.mark.parametrize("wrong", [{"temperature": 0.0}, {"margin": -0.1}])
def test_settings_must_make_sense(wrong):
    with pytest.raises(ValueError, match=r"temperature .* must be positive and margin .* not negative"):
        TRL(**wrong)
