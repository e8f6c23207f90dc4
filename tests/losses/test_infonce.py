import math

import numpy as np
import pytest
import torch
from golden_files import each_golden
from golden_losses import check_golden_loss
from loss_pairs import pairs
from torch.nn.functional import normalize

from tbpsbench.losses.infonce import InfoNCE


def by_loop(image, text, pid, temperature, positives, symmetric):
    """The definition, pair by pair, in float64."""
    image, text = (x / np.linalg.norm(x, axis=1, keepdims=True) for x in (image, text))
    logits = image @ text.T / temperature
    directions = [logits, logits.T] if symmetric else [logits]
    losses = np.zeros(len(pid))
    for matrix in directions:
        for i, row in enumerate(matrix):
            same = [j for j in range(len(pid)) if (pid[j] == pid[i] if positives == "identity" else j == i)]
            log_sum = math.log(sum(math.exp(x) for x in row))
            losses[i] += sum(log_sum - row[j] for j in same) / len(same) / len(directions)
    return losses


@pytest.mark.parametrize("symmetric", [True, False])
@pytest.mark.parametrize("positives", ["instance", "identity"])
@pytest.mark.parametrize("pid", [[0, 0, 1, 2, 1], [3, 3, 3, 3, 3], [0, 1, 2, 3, 4], [7]])
def test_value_equals_the_definition(pid, positives, symmetric):
    rng = np.random.default_rng(0)
    image, text = rng.normal(size=(2, len(pid), 6))
    loss = InfoNCE(temperature=0.2, positives=positives, symmetric=symmetric)
    out = loss(*pairs(image, text, pid))
    expected = by_loop(image, text, np.array(pid), 0.2, positives, symmetric)
    np.testing.assert_allclose(out.per_sample.numpy(), expected, rtol=1e-6, atol=1e-9)
    assert out.value.item() == pytest.approx(expected.mean(), rel=1e-6, abs=1e-9)


@each_golden("losses")
def test_golden_losses_itc(path):
    def build(t):
        loss = InfoNCE()
        loss.log_scale = -torch.tensor(t, dtype=torch.float64).log()
        return loss

    check_golden_loss(path, "itc", build)


@pytest.mark.parametrize("positives", ["instance", "identity"])
def test_gradient_in_float64(positives):
    pid = torch.tensor([0, 1, 0, 2])
    loss = InfoNCE(temperature=0.5, positives=positives)
    image, text = torch.randn(2, 4, 3, dtype=torch.float64, requires_grad=True).unbind()
    assert torch.autograd.gradcheck(lambda i, t: loss(*pairs(i, t, pid)).value, (image, text))


def test_learnable_scale_is_clamped_at_100():
    loss = InfoNCE(temperature=0.001, learnable=True)
    image = torch.eye(3)
    assert loss(*pairs(image, image, [0, 1, 2])).stats["scale"].item() == pytest.approx(100.0)
    assert [name for name, _ in loss.named_parameters()] == ["log_scale"]


def test_scale_that_hit_the_limit_can_come_down_again():
    loss = InfoNCE(temperature=0.001, learnable=True)
    image = torch.eye(3)
    loss(*pairs(image, image.roll(1, 0), [0, 1, 2])).value.backward()
    assert loss.log_scale.grad > 0


def test_fixed_temperature_is_neither_learnt_nor_saved():
    assert not list(InfoNCE().parameters())
    assert not InfoNCE().state_dict()


def test_half_precision_features_are_summed_in_float32():
    image, text = normalize(torch.randn(2, 8, 16), dim=-1).bfloat16()
    loss = InfoNCE(temperature=0.02)
    wide = loss(*pairs(image.float(), text.float(), torch.arange(8))).value
    assert loss(*pairs(image, text, torch.arange(8))).value.item() == pytest.approx(wide.item(), rel=1e-6)


def test_pairs_without_weight_do_not_count():
    image, text, pid = torch.randn(4, 6), torch.randn(4, 6), [0, 1, 1, 2]
    plain = InfoNCE()(*pairs(image, text, pid, [0.0] * 4))
    out = InfoNCE(pair_weights=True)(*pairs(image, text, pid, [1.0, 0.0, 1.0, 0.0]))
    assert out.value.item() == pytest.approx(plain.per_sample[[0, 2]].mean().item(), rel=1e-6)
    torch.testing.assert_close(out.per_sample, plain.per_sample)
    assert InfoNCE(pair_weights=True)(*pairs(image, text, pid, [0.0] * 4)).value.item() == 0.0


@pytest.mark.parametrize("temperature", [0.0, -1.0, math.nan, math.inf])
def test_temperature_must_be_positive(temperature):
    with pytest.raises(ValueError, match="temperature must be positive"):
        InfoNCE(temperature=temperature)
