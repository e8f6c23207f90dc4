import pytest
import torch
from torch.nn.functional import normalize

from tbpsbench import testing
from tbpsbench.kernels.triplet import triplet
from tbpsbench.losses.triplet import Triplet
from tbpsbench.types import Features


def make(pids, dtype=torch.float64):
    x = torch.randn(len(pids), 4, dtype=dtype, generator=torch.Generator().manual_seed(0)).requires_grad_()
    return x, Features({"other": x}), testing.toy_batch(pids)


def test_any_feature_normalised_or_not():
    x, features, batch = make((0, 0, 1, 2, 1))
    plain = Triplet("other", margin=2.0)(features, batch)
    torch.testing.assert_close(plain.value, triplet(x, batch.pid_B, margin=2.0))
    unit = Triplet("other", margin=2.0, mining="batch-all", normalize=True)(features, batch)
    torch.testing.assert_close(unit.value, triplet(normalize(x, dim=1), batch.pid_B, margin=2.0, mining="batch-all"))


@pytest.mark.parametrize("normalized", [False, True])
def test_gradient_in_float64(normalized):
    x, _, batch = make((0, 0, 1, 2, 1))
    loss = Triplet("other", margin=2.0, normalize=normalized)
    assert torch.autograd.gradcheck(lambda x: loss(Features({"other": x}), batch).value, x)


@pytest.mark.parametrize(("pids", "share"), [((0, 0, 1, 2, 1), 0.8), ((0, 1, 2), 0.0), ((4, 4, 4), 1.0), ((7,), 0.0)])
def test_share_of_anchors_with_a_positive_is_logged(pids, share):
    _, features, batch = make(pids)
    out = Triplet("other")(features, batch)
    assert out.stats["anchors_with_positive"].item() == pytest.approx(share)


@pytest.mark.parametrize("pids", [(0, 1, 2), (4, 4, 4), (7,)])
def test_batch_without_a_triplet_costs_nothing_and_moves_nothing(pids):
    x, features, batch = make(pids)
    out = Triplet("other")(features, batch)
    out.value.backward()
    assert out.value.item() == 0
    assert torch.equal(x.grad, torch.zeros_like(x))


def test_half_precision_features_are_compared_in_float32():
    x, features, batch = make((0, 0, 1, 2, 1), torch.bfloat16)
    found = Triplet("other", margin=2.0)(features, batch).value
    torch.testing.assert_close(found, triplet(x.float(), batch.pid_B, margin=2.0))


@pytest.mark.parametrize("margin", [-1, float("nan"), float("inf")])
def test_margin_is_refused_that_is_negative_or_not_finite(margin):
    with pytest.raises(ValueError, match=f"margin must be 0 or more.*, got {margin}"):
        Triplet(margin=margin)
