"""TAL and TRL against their definitions, the released code's numbers, and batches without negatives."""

import math

import numpy as np
import pytest
import torch
from golden_files import each_golden
from golden_losses import check_golden_loss
from loss_pairs import pairs, waves
from torch.nn.functional import normalize

from tbpsbench.losses.tal import TAL
from tbpsbench.losses.trl import TRL

both = pytest.mark.parametrize("loss", [TAL, TRL])


def by_loop(loss, image, text, pid, temperature, margin):
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
                hardest = max(0.0, *negatives)
                smooth = temperature * math.log(sum(math.exp(x / temperature) for x in negatives))
                negative = hardest if loss is TRL else smooth
                losses[i] += max(0.0, margin - positive + negative)
    return losses


@both
@pytest.mark.parametrize("pid", [[0, 0, 1, 2, 1], [3, 3, 3, 3, 3], [0, 1, 2, 3, 4], [7]])
def test_value_equals_the_definition(loss, pid):
    image, text = np.random.default_rng(0).normal(size=(2, len(pid), 6))
    out = loss(temperature=0.05, margin=0.2)(*pairs(image, text, pid))
    expected = by_loop(loss, image, text, pid, 0.05, 0.2)
    np.testing.assert_allclose(out.per_sample.numpy(), expected, rtol=1e-10, atol=1e-12)
    assert out.value.item() == pytest.approx(expected.sum(), rel=1e-10)
    assert out.reduction == "sum"


@both
@each_golden("losses")
def test_golden_losses(path, loss):
    check_golden_loss(path, loss.__name__.lower(), lambda tau, m: loss(temperature=tau, margin=m))


@pytest.mark.parametrize(
    ("loss", "expected"),
    [(TAL, [0.59651, 0.66111, 0.99861, 0.80860]), (TRL, [0.73290, 0.66111, 0.99861, 0.86254])],
)
def test_values_of_the_released_code_on_four_pairs(loss, expected):
    np.testing.assert_allclose(loss()(*waves()).per_sample.numpy(), expected, atol=1e-5)


@both
@pytest.mark.parametrize("pid", [[4, 4, 4], [4]])
def test_one_identity_alone_costs_nothing_and_moves_nothing(loss, pid):
    image, text = (torch.randn(len(pid), 6).requires_grad_() for _ in range(2))
    out = loss()(*pairs(image, text, pid))
    out.value.backward()
    assert out.value.item() == 0.0
    assert torch.equal(image.grad, torch.zeros_like(image))
    assert torch.equal(text.grad, torch.zeros_like(text))


@both
def test_gradient_in_float64(loss):
    """With one positive per row, whose weight is 1; the weights of several are constants by definition."""
    image, text = torch.randn(2, 4, 3, dtype=torch.float64, requires_grad=True).unbind()
    assert torch.autograd.gradcheck(
        lambda i, t: loss(temperature=0.3, margin=0.5)(*pairs(i, t, range(4))).value, (image, text)
    )


@both
def test_weights_of_the_positives_are_constants_for_the_gradient(loss):
    image, text = (torch.randn(4, 3, dtype=torch.float64).requires_grad_() for _ in range(2))
    pid = torch.tensor([0, 0, 1, 1])
    loss(temperature=0.3, margin=2.5)(*pairs(image, text, pid)).value.backward()
    cosine_BB = normalize(image, dim=-1) @ normalize(text, dim=-1).T
    total = torch.zeros((), dtype=torch.float64)
    for matrix_BB in (cosine_BB, cosine_BB.T):
        same_BB = pid[:, None] == pid[None, :]
        share_BB = (matrix_BB / 0.3).masked_fill(~same_BB, -torch.inf).softmax(dim=1).detach()
        smooth_B = 0.3 * (matrix_BB.masked_fill(same_BB, -torch.inf) / 0.3).logsumexp(1)
        negative_B = matrix_BB.masked_fill(same_BB, 0.0).amax(1) if loss is TRL else smooth_B
        total = total + (2.5 - (share_BB * matrix_BB).sum(1) + negative_B).sum()
    (expected,) = torch.autograd.grad(total, image)
    torch.testing.assert_close(image.grad, expected)


@both
def test_pairs_count_as_much_as_they_are_trusted(loss):
    image, text, pid = torch.randn(4, 6), torch.randn(4, 6), [0, 1, 1, 2]
    plain = loss(pair_weights=False)(*pairs(image, text, pid, [0.0] * 4))
    out = loss()(*pairs(image, text, pid, [1.0, 0.0, 0.5, 0.0]))
    torch.testing.assert_close(plain.value, plain.per_sample.sum())
    torch.testing.assert_close(out.per_sample, plain.per_sample)
    torch.testing.assert_close(out.value, plain.per_sample[0] + 0.5 * plain.per_sample[2])
    assert loss()(*pairs(image, text, pid, [0.0] * 4)).value.item() == 0.0


@both
def test_half_precision_features_are_compared_in_float32(loss):
    image, text = normalize(torch.randn(2, 8, 16), dim=-1).bfloat16()
    wide = loss()(*pairs(image.float(), text.float(), range(8))).value
    assert loss()(*pairs(image, text, range(8))).value.item() == pytest.approx(wide.item(), rel=1e-6)


@both
def test_small_temperatures_do_not_overflow(loss):
    image = torch.eye(4).repeat(2, 1).requires_grad_()
    out = loss(temperature=1e-4)(*pairs(image, torch.eye(4).repeat(2, 1), range(8)))
    out.value.backward()
    assert torch.isfinite(out.value)
    assert torch.isfinite(image.grad).all()


@both
@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"temperature": 0.0}, "temperature must be positive, got 0.0"),
        ({"temperature": math.nan}, "temperature must be positive and finite, got nan"),
        ({"margin": -0.1}, "margin must be 0 or more, got -0.1"),
        ({"margin": math.nan}, "margin must be 0 or more and finite, got nan"),
    ],
)
def test_settings_must_make_sense(loss, wrong, message):
    with pytest.raises(ValueError, match=message):
        loss(**wrong)
