import numpy as np
import pytest

from tbpsbench.captions.clustering import density
from tbpsbench.captions.clustering.base import NONE, unit_rows
from tbpsbench.captions.clustering.density import dbscan, distinct_rows, k_distances


def clouds(seed, texts=240, width=12, copies=20):
    """Unit rows around five directions, as loose as the seed will have it, some of them twice."""
    rng = np.random.default_rng(seed)
    row_ND = rng.normal(size=(5, width))[rng.integers(0, 5, texts)]
    row_ND = row_ND + rng.normal(size=row_ND.shape) * rng.uniform(0.2, 0.8)
    row_ND[:copies] = row_ND[copies : 2 * copies]
    return unit_rows(row_ND)


@pytest.mark.parametrize("block", [1, 700, 1 << 22])
@pytest.mark.parametrize("seed", range(6))
def test_dense_rows_and_noise_are_scikit_learns(seed, block, monkeypatch):
    from sklearn.cluster import DBSCAN
    from sklearn.metrics import adjusted_rand_score

    monkeypatch.setattr(density, "BLOCK_NUMBERS", block)
    rng = np.random.default_rng(seed)
    row_ND, eps, min_samples = clouds(seed), float(rng.uniform(0.25, 0.7)), int(rng.integers(2, 10))
    theirs = DBSCAN(eps=eps, min_samples=min_samples).fit(row_ND.astype(np.float64))
    distinct_MD, which_N, weight_M = distinct_rows(row_ND)
    label_N = dbscan(distinct_MD, weight_M, eps, min_samples)[which_N]
    assert np.array_equal(label_N == NONE, theirs.labels_ == NONE)
    core = theirs.core_sample_indices_
    assert len(core) == 0 or adjusted_rand_score(theirs.labels_[core], label_N[core]) == 1.0


def test_a_row_between_two_clusters_joins_the_nearer():
    angle_N = np.radians([0, 5, 10, 15, 44.5, 49.5, 54.5, 59.5, 30])
    row_ND = unit_rows(np.stack([np.cos(angle_N), np.sin(angle_N)], axis=1))
    eps = float(2 * np.sin(np.radians(16) / 2))  # the last row reaches 15 and 44.5 degrees and is not dense itself
    label_N = dbscan(row_ND, np.ones(9, dtype=np.int64), eps, min_samples=4)
    assert len(set(label_N[:4].tolist())) == len(set(label_N[4:8].tolist())) == 1
    assert label_N[0] != label_N[4]
    assert label_N[8] == label_N[4]


def test_equal_rows_count_as_often_as_they_occur():
    row_ND = np.eye(3, dtype=np.float32)[[2, 0, 2, 1, 2]]
    distinct_MD, which_N, weight_M = distinct_rows(row_ND)
    assert np.array_equal(distinct_MD[which_N], row_ND)
    assert which_N.tolist() == [0, 1, 0, 2, 0]
    assert weight_M.tolist() == [3, 1, 1]
    assert dbscan(distinct_MD, weight_M, 0.1, min_samples=3)[which_N].tolist() == [0, NONE, 0, NONE, 0]


def test_k_distances_are_sorted_and_exact():
    row_ND = clouds(1, texts=60, copies=0)
    gap_NN = np.linalg.norm(row_ND[:, None].astype(np.float64) - row_ND[None], axis=-1)
    assert np.allclose(k_distances(row_ND, 4), np.sort(np.sort(gap_NN, axis=1)[:, 4]), atol=1e-3)


def test_k_distances_count_repeats():
    row_ND = clouds(3, texts=60, copies=30)
    distinct_MD, _, weight_M = distinct_rows(row_ND)
    gap_MN = np.linalg.norm(distinct_MD[:, None].astype(np.float64) - row_ND[None], axis=-1)
    assert (weight_M == 2).any()
    for k in (1, 4, 59, 100):
        expected_M = np.sort(np.sort(gap_MN, axis=1)[:, min(k, 59)])
        assert np.allclose(k_distances(distinct_MD, k, weight_M=weight_M), expected_M, atol=2e-3)
    unique_MD = clouds(1, texts=60, copies=0)
    assert np.array_equal(k_distances(unique_MD, 4), k_distances(unique_MD, 4, weight_M=np.ones(60, dtype=np.int64)))


def test_k_distances_ask_a_sample_that_looks_among_all():
    row_ND = clouds(2, texts=100, copies=0)
    asked = k_distances(row_ND, 3, sample=10)
    assert len(asked) == 10
    assert set(np.round(asked, 4)) <= set(np.round(k_distances(row_ND, 3), 4))
