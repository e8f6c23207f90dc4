import numpy as np
import pytest
import torch

from tbpsbench.kernels.counting import torch as plain
from tbpsbench.metrics import counting


def random_block(seed, dtype=np.float32, rows=6, gallery=50):
    generator = np.random.default_rng(seed)
    scores = (generator.integers(-4, 5, (rows, gallery)) / 4).astype(dtype)
    counts = generator.integers(0, 4, rows)
    thresholds = [
        np.sort(np.unique(generator.choice(row, count)))[::-1] for row, count in zip(scores, counts, strict=True)
    ]
    edges = np.concatenate([[0], np.cumsum([len(part) for part in thresholds])])
    return scores, np.concatenate(thresholds).astype(dtype), edges


@pytest.mark.parametrize("how", ["sort", "compare", "tensor", "auto"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_counts_equal_a_plain_loop(how, dtype):
    for seed in range(10):
        scores, thresholds, edges = random_block(seed, dtype)
        at_least, above = counting.count(scores, thresholds, edges, how)
        rows = np.repeat(np.arange(len(scores)), np.diff(edges))
        assert at_least.tolist() == [int((scores[r] >= t).sum()) for r, t in zip(rows, thresholds, strict=True)]
        assert above.tolist() == [int((scores[r] > t).sum()) for r, t in zip(rows, thresholds, strict=True)]


@pytest.mark.parametrize("sorts_from", [1, 99])
def test_tensor_form_sorts_or_compares_to_the_same_counts(sorts_from, monkeypatch):
    monkeypatch.setattr(plain, "SORTS_FROM", sorts_from)
    for seed in range(10):
        scores, thresholds, edges = random_block(seed)
        scores[0, :3] = np.inf, -np.inf, -0.0
        found = counting.by_tensor(torch.from_numpy(scores), thresholds, edges)
        for counts, expected in zip(found, counting.by_compare(scores, thresholds, edges), strict=True):
            assert counts.tolist() == expected.tolist()


@pytest.mark.parametrize("sorts_from", [1, 99])
def test_tensor_form_needs_no_more_than_its_memory(sorts_from, monkeypatch):
    monkeypatch.setattr(plain, "SORTS_FROM", sorts_from)
    scores, thresholds, edges = random_block(1)
    whole = counting.by_tensor(torch.from_numpy(scores), thresholds, edges)
    monkeypatch.setattr(plain, "HELD_BYTES", 1)
    for found, expected in zip(counting.by_tensor(torch.from_numpy(scores), thresholds, edges), whole, strict=True):
        assert found.tolist() == expected.tolist()


def test_scores_are_left_as_they_are():
    scores, thresholds, edges = random_block(2)
    before = scores.copy()
    for how in ("sort", "compare", "tensor"):
        counting.count(scores, thresholds, edges, how)
    assert np.array_equal(scores, before)


def test_no_thresholds_count_nothing():
    scores, edges = np.zeros((3, 4), np.float32), np.zeros(4, np.int64)
    for how in ("sort", "compare", "tensor", "auto"):
        at_least, above = counting.count(scores, np.zeros(0, np.float32), edges, how)
        assert (len(at_least), len(above)) == (0, 0)


def test_crossover_is_a_sane_number():
    assert 1 <= counting.crossover(500, "float32") <= 64
    assert 1 <= counting.crossover(1, "float64") <= 64


@pytest.mark.parametrize("how", ["sort", "compare"])
def test_number_of_threads_does_not_change_a_count(how, monkeypatch):
    monkeypatch.setattr(counting, "SHORTEST_SHARED", 1)
    scores, thresholds, edges = random_block(3, rows=70)
    torch.set_num_threads(1)
    alone = counting.count(scores, thresholds, edges, how)
    torch.set_num_threads(3)
    try:
        shared = counting.count(scores, thresholds, edges, how)
    finally:
        torch.set_num_threads(1)
    for found, expected in zip(shared, alone, strict=True):
        assert found.tolist() == expected.tolist()
