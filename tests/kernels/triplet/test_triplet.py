import itertools

import pytest
import torch

from tbpsbench.kernels.triplet import MININGS, anchors_with_positive, triplet
from tbpsbench.kernels.triplet import torch as module

LABELS = ([0, 0, 1, 2, 1, 0, 3], [3, 3, 3, 3], [0, 1, 2, 3], [7], [0, 0, 1, 1])


@pytest.fixture(autouse=True, params=[10, 1 << 20])
def _small_chunks(request, monkeypatch):
    monkeypatch.setattr(module, "CHUNK", request.param)


def by_loop(x, labels, margin, mining):
    """The definition, triplet by triplet."""
    rows = range(len(labels))
    distance = [[sum((a - b) ** 2 for a, b in zip(x[i], x[j], strict=True)) for j in rows] for i in rows]
    costs = []
    for anchor in rows:
        positives = [j for j in rows if labels[j] == labels[anchor] and j != anchor]
        negatives = [j for j in rows if labels[j] != labels[anchor]]
        if not positives or not negatives:
            continue
        own = distance[anchor]
        if mining == "batch-all":
            pairs = [(own[p], own[n]) for p, n in itertools.product(positives, negatives)]
        elif mining == "batch-hard":
            pairs = [(max(own[p] for p in positives), min(own[n] for n in negatives))]
        else:
            pairs = []
            for p in positives:
                outside = [own[n] for n in negatives if own[n] > own[p]]
                pairs.append((own[p], min(outside) if outside else max(own[n] for n in negatives)))
        costs += [max(near - far + margin, 0) for near, far in pairs]
    return sum(costs) / len(costs) if costs else 0.0


@pytest.mark.parametrize("mining", MININGS)
@pytest.mark.parametrize("labels", LABELS)
@pytest.mark.parametrize("margin", [0.3, 5.0])
def test_value_equals_the_definition(labels, mining, margin):
    x = torch.randn(len(labels), 3, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    found = triplet(x, torch.tensor(labels), margin=margin, mining=mining)
    assert found.item() == pytest.approx(by_loop(x.tolist(), labels, margin, mining), rel=1e-12, abs=1e-12)


@pytest.mark.parametrize("mining", MININGS)
@pytest.mark.parametrize("labels", LABELS)
def test_gradient_in_float64(labels, mining):
    x = torch.randn(len(labels), 3, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    x.requires_grad_()
    assert torch.autograd.gradcheck(lambda x: triplet(x, torch.tensor(labels), margin=1.0, mining=mining), x)


@pytest.mark.parametrize("mining", MININGS)
@pytest.mark.parametrize("labels", [[3, 3, 3], [0, 1, 2], [7]])
def test_without_a_triplet_value_and_gradient_are_zero(labels, mining):
    x = torch.randn(len(labels), 3, requires_grad=True)
    value = triplet(x, torch.tensor(labels), mining=mining)
    value.backward()
    assert value.item() == 0
    assert torch.equal(x.grad, torch.zeros_like(x))


@pytest.mark.parametrize("mining", MININGS)
def test_equal_features_cost_the_margin(mining):
    x = torch.ones(6, 3, requires_grad=True)
    value = triplet(x, torch.tensor([0, 0, 0, 1, 1, 2]), margin=0.3, mining=mining)
    value.backward()
    assert value.item() == pytest.approx(0.3)
    assert torch.isfinite(x.grad).all()


@pytest.mark.parametrize("mining", MININGS)
def test_float32_survives_a_mean_far_from_zero(mining):
    x = torch.randn(40, 16, generator=torch.Generator().manual_seed(0)) + 100
    labels = torch.arange(40) // 4
    exact = triplet(x.double(), labels, mining=mining).item()
    assert triplet(x, labels, mining=mining).item() == pytest.approx(exact, rel=1e-5)


def test_share_of_anchors_with_a_positive():
    assert anchors_with_positive(torch.tensor([5, 5, 1, 2])).item() == 0.5


def test_unknown_mining_is_refused():
    with pytest.raises(ValueError, match="mining is one of batch-hard, batch-all, semi-hard, got 'hard'"):
        triplet(torch.ones(2, 2), torch.tensor([0, 1]), mining="hard")
