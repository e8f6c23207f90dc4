import numpy as np
import pytest
from golden_files import Golden, each_golden

from tbpsbench.rerankers.distances import euclidean_distances, given_distances
from tbpsbench.rerankers.reciprocal import average, encode, expand, reach, reciprocal_distances


def distances(golden, kind):
    """The three matrices of a set of the file."""
    main = [golden[f"kr/main/{part}"] for part in ("qg", "qq", "gg")]
    if kind == "gap":
        return [golden[f"kr/gap/{part}"] for part in ("qg", "qq", "gg")]
    if kind == "asym":
        return [main[0], golden["kr/asym/qq"], golden["kr/asym/gg"]]
    shown = golden[f"kr/{kind}/out"].shape[1:]
    queries, gallery = shown
    return [main[0][:queries, :gallery], main[1][:queries, :queries], main[2][:gallery, :gallery]]


@each_golden("rerank")
@pytest.mark.parametrize("kind", ["main", "gap", "asym", "one", "small"])
def test_golden_rerank_distances_of_the_released_code(path, kind):
    golden = Golden(path)
    matrices = distances(golden, kind)
    for (k1, k2, weight), theirs in zip(golden[f"kr/{kind}/params"], golden[f"kr/{kind}/out"], strict=True):
        found = given_distances(*matrices, reach(int(k1), int(k2)))
        assert np.abs(reciprocal_distances(found, int(k1), int(k2), float(weight)) - theirs).max() <= 1e-5


@each_golden("rerank")
def test_golden_rerank_steps_of_the_released_code(path):
    golden = Golden(path)
    matrices, (k1, k2, _) = distances(golden, "main"), golden["kr/main/params"][0]
    found = given_distances(*matrices, sum(matrices[0].shape))
    assert np.abs(found.original_QG - golden["kr/main/norm_dist"][:, len(matrices[0]) :]).max() <= 1e-6
    assert np.array_equal(found.rank_NK, golden["kr/main/rank"])
    encoding = encode(found, expand(found.rank_NK, int(k1), round(int(k1) / 2)))
    assert np.abs(encoding.toarray() - golden["kr/main/V"]).max() <= 1e-6
    assert np.abs(average(encoding, found.rank_NK, int(k2)).toarray() - golden["kr/main/V_qe"]).max() <= 1e-6


@each_golden("rerank")
def test_golden_rerank_from_features(path):
    golden = Golden(path)
    query_QD, gallery_GD = golden["feat/q"].astype(np.float64), golden["feat/g"].astype(np.float64)
    for (k1, k2, weight), theirs in zip(golden["krf/params"], golden["krf/f32"], strict=True):
        found = euclidean_distances(query_QD, gallery_GD, reach(int(k1), int(k2)))
        assert np.abs(reciprocal_distances(found, int(k1), int(k2), float(weight)) - theirs).max() <= 1e-5


def test_blocks_change_nothing(monkeypatch):
    generator = np.random.default_rng(0)
    query_QD, gallery_GD = generator.normal(size=(30, 8)), generator.normal(size=(70, 8))
    found = []
    for block in (7, 1000):
        monkeypatch.setattr("tbpsbench.rerankers.reciprocal.BLOCK", block)
        before = euclidean_distances(query_QD, gallery_GD, reach(12, 4))
        found.append(reciprocal_distances(before, 12, 4, 0.3))
    assert np.array_equal(found[0], found[1])
