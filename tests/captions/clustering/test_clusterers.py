"""What each clusterer finds, beyond the contract that all keep (tests/contract/test_slots.py)."""

import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score

from tbpsbench.captions.clustering.base import NONE
from tbpsbench.errors import DataError, RegistryError
from tbpsbench.registry import CLUSTERERS
from tbpsbench.testing import toy_embeddings


def found(**config):
    return CLUSTERERS.build(config).cluster(toy_embeddings()[0])


@pytest.mark.parametrize(
    "config",
    [
        {"type": "KMeans", "clusters": 3},
        {"type": "GMM", "clusters": 3, "dims": 4},
        {"type": "Agglomerative", "clusters": 3},
        {"type": "Agglomerative", "clusters": 3, "sample": 50},
        {"type": "DBSCAN"},
        {"type": "DBSCAN", "eps": 0.6},
        {"type": "HDBSCAN", "dims": 4},
    ],
    ids=str,
)
def test_clear_styles_are_found(config):
    clusters = found(**config)
    assert adjusted_rand_score(toy_embeddings()[1], clusters.label_N) == 1.0
    assert sorted(len(member_M) for member_M in clusters.members) == [40, 40, 40]
    row_ND = toy_embeddings()[0]
    row_ND = row_ND / np.linalg.norm(row_ND, axis=1, keepdims=True)
    for member_M, centre_D in zip(clusters.members, clusters.centre_KD, strict=True):
        near_M = row_ND[member_M] @ centre_D
        assert (np.diff(near_M) <= 1e-5).all(), "members come nearest to the centre first"


def test_clusters_are_numbered_by_size():
    row_ND, style_N = toy_embeddings()
    kept = np.flatnonzero((style_N == 1) | (np.arange(len(style_N)) < 60))
    clusters = CLUSTERERS.build({"type": "KMeans", "clusters": 3}).cluster(row_ND[kept])
    assert [len(member_M) for member_M in clusters.members] == [40, 20, 20]
    assert set(style_N[kept][clusters.members[0]]) == {1}


def test_none_finds_nothing():
    clusters = found(type="none")
    assert len(clusters) == 0
    assert (clusters.label_N == NONE).all()
    assert clusters.centre_KD.shape == (0, 12)


def test_random_clusters_know_nothing_of_style_but_keep_equal_texts_together():
    row_ND, style_N = toy_embeddings()
    clusters = found(type="Random", clusters=3)
    assert abs(adjusted_rand_score(style_N, clusters.label_N)) < 0.1
    assert np.array_equal(clusters.label_N[-3:], found(type="Random", clusters=3).label_N[-3:])
    twice = CLUSTERERS.build({"type": "Random", "clusters": 3}).cluster(np.concatenate([row_ND, row_ND]))
    assert np.array_equal(twice.label_N[:120], twice.label_N[120:])
    assert not np.array_equal(found(type="Random", clusters=3, seed=1).label_N, clusters.label_N)


def test_uniform_prototypes_overlap_and_leave_texts_out():
    clusters = found(type="UniformPrototypes", prototypes=30, nearest=10, beta=7.0)
    assert len(clusters) == 30
    assert {len(member_M) for member_M in clusters.members} == {10}
    times = np.bincount(np.concatenate(clusters.members), minlength=120)
    assert times.max() > 1
    assert (times == 0).any()
    assert np.array_equal(clusters.label_N == NONE, times == 0)


def test_uniform_prototypes_are_drawn_within_beta_deviations_and_take_the_nearest():
    row_ND = toy_embeddings()[0].astype(np.float64)
    row_ND /= np.linalg.norm(row_ND, axis=1, keepdims=True)
    clusters = found(type="UniformPrototypes", prototypes=400, nearest=5, beta=2.0)
    share_KD = (clusters.centre_KD - row_ND.mean(axis=0)) / row_ND.std(axis=0)
    assert np.abs(share_KD).max() <= 2.001
    assert np.abs(share_KD).mean() == pytest.approx(1.0, abs=0.05)
    for centre_D, member_M in zip(clusters.centre_KD[:20], clusters.members, strict=False):
        gap_N = np.linalg.norm(row_ND - centre_D, axis=1)
        assert set(member_M.tolist()) == set(np.argsort(gap_N)[:5].tolist())


@pytest.mark.parametrize(
    ("config", "reason"),
    [
        ({"type": "DBSCAN", "eps": 0.01}, "no clusters of usable size.*A larger eps makes less noise"),
        ({"type": "DBSCAN", "eps": 1.9}, r"DBSCAN \(eps 1.9, .*1 cluster of usable size"),
        ({"type": "HDBSCAN", "min_cluster_size": 100}, "HDBSCAN .*usable size"),
    ],
    ids=str,
)
def test_a_collapse_is_refused_or_left_to_the_fallback(config, reason):
    with pytest.raises(DataError, match=reason):
        found(**config)
    clusters = found(**config, fallback={"type": "KMeans", "clusters": 3})
    assert adjusted_rand_score(toy_embeddings()[1], clusters.label_N) == 1.0
    assert clusters.report["fallback"] == "KMeans"
    assert clusters.report["instead_of"]["type"] == config["type"]
    assert clusters.report["instead_of"]["collapse"]


def test_the_radius_is_the_one_with_most_clusters_of_those_that_do_not_collapse():
    rng = np.random.default_rng(0)
    direction_KD = np.eye(4, 6)[[0, 0, 2, 2]]
    direction_KD[[1, 3], [1, 3]] = 0.45  # two pairs of near styles: wide radii join each
    near_ND = direction_KD[np.arange(160) % 4] + rng.normal(size=(160, 6)) * 0.04
    far_ND = direction_KD[np.arange(60) % 4] + rng.normal(size=(60, 6)) * 0.25
    clusters = CLUSTERERS.build({"type": "DBSCAN"}).cluster(np.concatenate([near_ND, far_ND]))
    tried = {one["eps"]: one["clusters"] for one in clusters.report["tried"] if one["collapse"] is None}
    assert list(tried) == sorted(tried)
    assert {2, 4} <= set(tried.values())
    assert clusters.report["eps"] == max(eps for eps, found in tried.items() if found == 4)
    assert adjusted_rand_score(np.arange(160) % 4, clusters.label_N[:160]) == 1.0


def templates(each=5, times=20):
    """Eight styles of `each` masked captions, every one of which was written `times` times."""
    rng = np.random.default_rng(0)
    direction_KD = np.linalg.qr(rng.normal(size=(64, 64)))[0][:8]
    rows = [np.repeat(one_D + 0.03 * rng.normal(size=(each, 64)), times, axis=0) for one_D in direction_KD]
    return np.concatenate(rows)


@pytest.mark.parametrize("row_ND", [templates(), np.repeat(np.eye(8), 40, axis=0)], ids=["few texts", "one text"])
def test_styles_of_a_few_texts_that_recur_are_found(row_ND):
    """The tenth nearest other distinct text is of another style: such radii alone join all."""
    clusters = CLUSTERERS.build({"type": "DBSCAN"}).cluster(row_ND)
    assert [len(member_M) for member_M in clusters.members] == [len(row_ND) // 8] * 8
    tried = clusters.report["tried"]
    assert [one["collapse"] is None for one in tried] == [False] * (len(tried) - 1) + [True]
    with pytest.raises(DataError, match="found no styles"):
        CLUSTERERS.build({"type": "DBSCAN"}).cluster(np.repeat(row_ND[:1], 99, axis=0))


def test_texts_without_styles_are_refused_with_what_each_radius_gave():
    row_ND = np.random.default_rng(0).normal(size=(150, 40))
    reason = r"found no styles: 1 cluster of usable size. By radius: ([\d.]+: 1 cluster[^;]*; ){3}"
    with pytest.raises(DataError, match=reason):
        CLUSTERERS.build({"type": "DBSCAN"}).cluster(row_ND)


@pytest.mark.parametrize(
    "config",
    [
        {"type": "KMeans", "clusters": 0},
        {"type": "DBSCAN", "eps": 2.5},
        {"type": "DBSCAN", "min_samples": 0},
        {"type": "HDBSCAN", "min_cluster_size": 1},
        {"type": "Agglomerative", "clusters": 5, "sample": 4},
        {"type": "UniformPrototypes", "beta": 0.0},
        {"type": "Random", "clusters": 0},
        {"type": "GMM", "dims": 0},
    ],
    ids=str,
)
def test_impossible_numbers_are_refused(config):
    with pytest.raises(RegistryError, match=r"expected|must be"):
        CLUSTERERS.build(config)


def test_too_few_texts_are_refused():
    with pytest.raises(DataError, match="10 texts are too few to cluster: this clusterer needs 50"):
        CLUSTERERS.build({"type": "UniformPrototypes", "nearest": 50}).cluster(np.eye(10))
