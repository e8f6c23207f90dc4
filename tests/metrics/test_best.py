import numpy as np
import pytest
import torch

from tbpsbench.errors import DataError
from tbpsbench.metrics import products
from tbpsbench.metrics.best import best_by
from tbpsbench.metrics.products import Products
from tbpsbench.metrics.ranking import positive_ranks


def best_matches(query_QD, gallery_GD, *arguments, **named):
    made = Products(query_QD, gallery_GD)
    return best_by(made, made.step, *arguments, **named)


def tied_features(queries=150, gallery=333):
    """Few directions, so that most similarities are equal, with identities."""
    generator = np.random.default_rng(0)
    basis = torch.nn.functional.normalize(torch.from_numpy(generator.normal(size=(6, 24))).float(), dim=-1)
    pids = generator.permutation(np.arange(gallery) % 20)
    return basis[generator.integers(0, 6, queries)], basis[generator.integers(0, 6, gallery)], pids[:queries], pids


@pytest.mark.parametrize("ties", ["pessimistic", "stable", "optimistic", "expected"])
def test_matches_stand_where_the_exact_ranks_say(ties, monkeypatch):
    monkeypatch.setattr(products, "BLOCK_ROWS", 32)
    given = tied_features()
    ranks = positive_ranks(*given, ties=ties)
    assert ranks.ties > 100
    rows = [149, 0, 31, 32, 90]
    found = best_matches(*given, rows, 333, ties=ties)
    for place, row in enumerate(rows):
        hits = np.flatnonzero(given[3][found.order[place]] == given[2][row])
        assert hits.tolist() == ranks.ranks[ranks.offsets[row] : ranks.offsets[row + 1]].tolist()
        assert (np.diff(found.scores[place]) <= 0).all()
        assert sorted(found.order[place]) == list(range(333))


def test_only_blocks_that_are_asked_for_are_multiplied(monkeypatch):
    monkeypatch.setattr(products, "BLOCK_ROWS", 32)
    starts, multiply = [], products.Products.__call__
    monkeypatch.setattr(
        products.Products, "__call__", lambda self, start, stop: starts.append(start) or multiply(self, start, stop)
    )
    found = best_matches(*tied_features(), [70, 65, 140], 4)
    assert starts == [64, 128]
    assert found.order.shape == found.scores.shape == (3, 4)


def test_more_than_the_gallery_holds_and_bad_input():
    query, gallery, query_pids, gallery_pids = tied_features(4, 5)
    assert best_matches(query, gallery, query_pids, gallery_pids, [1], 10).order.shape == (1, 5)
    with pytest.raises(DataError, match="NaN"):
        best_matches(query * float("nan"), gallery, query_pids, gallery_pids, [1], 10)
    with pytest.raises(ValueError, match="not one of pessimistic"):
        best_matches(query, gallery, query_pids, gallery_pids, [1], 10, ties="best")
