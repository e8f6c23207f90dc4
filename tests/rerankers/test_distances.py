"""Strips of distances, and the nearest items kept of them, against whole matrices that are sorted."""

import itertools

import numpy as np
import pytest
from scipy import sparse

from tbpsbench.errors import DataError
from tbpsbench.rerankers import distances
from tbpsbench.rerankers.distances import euclidean_distances, given_distances
from tbpsbench.rerankers.nearest import Nearest, above_nearest


def plain(query_QD, gallery_GD):
    """(N, N) Euclidean distances in float64."""
    item_ND = np.concatenate([query_QD, gallery_GD]).astype(np.float64)
    return np.linalg.norm(item_ND[:, None] - item_ND, axis=2)


@pytest.mark.parametrize(
    ("queries", "gallery", "count"), [(500, 90, 13), (70, 420, 40), (193, 191, 384), (1, 5, 3), (5, 1, 9), (3, 0, 2)]
)
@pytest.mark.parametrize("strip", [1, 1 << 30])
def test_features_give_what_their_distances_give(queries, gallery, count, strip, monkeypatch):
    monkeypatch.setattr(distances, "STRIP_BYTES", strip)
    # Whole numbers: many distances are equal, and none differs by a rounding alone.
    generator = np.random.default_rng(queries)
    query_QD, gallery_GD = (generator.integers(-4, 5, (count, 6)).astype(np.float64) for count in (queries, gallery))
    found, matrix_NN = euclidean_distances(query_QD, gallery_GD, count), plain(query_QD, gallery_GD)
    blocks = matrix_NN[:queries, queries:], matrix_NN[:queries, :queries], matrix_NN[queries:, queries:]
    theirs, total = given_distances(*blocks, count), queries + gallery
    assert np.array_equal(found.rank_NK, theirs.rank_NK)
    assert found.rank_NK.shape == (total, min(count, total))
    assert found.original_QG.dtype == theirs.original_QG.dtype == np.float32
    assert found.original_QG == pytest.approx(theirs.original_QG, abs=1e-6)
    pairs = sparse.random(total, total, 0.05, format="csr", random_state=0) + sparse.identity(total, format="csr")
    assert found.between(pairs) == pytest.approx(theirs.between(pairs), abs=1e-6)


@pytest.mark.parametrize("strip", [1, 1 << 30])
@pytest.mark.parametrize("width", [3, 64, 513])
def test_equal_features_are_ordered_by_number(strip, width, monkeypatch):
    """Six people, all of whose items are alike up to the last bit, in any order over 800 items."""
    monkeypatch.setattr(distances, "STRIP_BYTES", strip)
    generator = np.random.default_rng(0)
    centre_PD = generator.normal(size=(6, width)).astype(np.float32)
    centre_PD /= np.linalg.norm(centre_PD, axis=1, keepdims=True)
    item_ND = centre_PD[generator.integers(0, 6, 800)]
    rank_NK = euclidean_distances(item_ND[:300], item_ND[300:], 700).rank_NK
    who_N = np.unique(item_ND, axis=0, return_inverse=True)[1]
    for item, rank_K in enumerate(rank_NK):
        rank_K = rank_K[rank_K != item]  # the item itself is nearer than its doubles
        groups = [list(group) for _, group in itertools.groupby(rank_K, key=lambda other: who_N[other])]
        assert len(groups) == len({who_N[group[0]] for group in groups})
        assert all(group == sorted(group) for group in groups)


def test_collapsed_features_keep_the_lowest_numbers():
    found = euclidean_distances(np.zeros((2, 3)), np.zeros((4, 3)), 3)
    assert found.rank_NK.tolist() == [[0, 1, 2]] * 6
    assert not found.original_QG.any()


@pytest.mark.parametrize("order", ["nearest first", "farthest first", "random"])
def test_the_nearest_are_kept_whatever_comes_first(order):
    """A strip that is nearer than all before it fills every place, one that is farther none."""
    distance_NN = np.random.default_rng(0).integers(0, 9, (90, 90)).astype(np.float32)
    distance_NN += (
        {"nearest first": 1, "farthest first": -1, "random": 0}[order] * 10 * np.add.outer(*[np.arange(90)] * 2)
    )
    distance_NN = np.minimum(distance_NN, distance_NN.T)
    distance_NN -= distance_NN.min()
    nearest = Nearest(90, 11)
    for start in range(0, 90, 20):
        nearest.see(start, distance_NN[start : start + 20, start:])
    assert np.array_equal(nearest.ranks(), np.argsort(distance_NN, axis=1, kind="stable")[:, :11])


def test_bound_lies_above_the_nearest():
    distance_BC = np.random.default_rng(0).random((50, 103), dtype=np.float32)
    for count in (1, 7, 60, 103):
        assert ((distance_BC < above_nearest(distance_BC, count)[:, None]).sum(axis=1) >= count).all()
    assert (above_nearest(distance_BC, 104) == np.inf).all()


def test_matrices_that_do_not_belong_together_are_refused():
    with pytest.raises(DataError, match=r"need matrices of \(2, 2\) and \(3, 3\)"):
        given_distances(np.zeros((2, 3)), np.zeros((2, 2)), np.zeros((2, 2)), 1)
    with pytest.raises(DataError, match="widths must agree"):
        euclidean_distances(np.zeros((2, 3)), np.zeros((2, 2)), 1)
