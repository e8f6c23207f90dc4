import numpy as np
import pytest
from golden_files import Golden, each_golden

from tbpsbench.errors import DataError
from tbpsbench.rerankers.reciprocal import (
    average,
    encode,
    expand,
    feature_rows,
    nearest,
    reciprocal_distances,
    squared_rows,
)


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
        blocks = reciprocal_distances(squared_rows(*matrices), *matrices[0].shape, int(k1), int(k2), float(weight))
        assert np.abs(np.concatenate(list(blocks)) - theirs).max() <= 1e-5


@each_golden("rerank")
def test_golden_rerank_steps_of_the_released_code(path):
    golden = Golden(path)
    matrices, (k1, k2, _) = distances(golden, "main"), golden["kr/main/params"][0]
    rows, queries, total = squared_rows(*matrices), *np.array([len(matrices[0]), sum(matrices[0].shape)])
    assert np.abs(rows(0, queries) - golden["kr/main/norm_dist"]).max() <= 1e-6
    rank_NK = nearest(rows, int(total), int(total))
    assert np.array_equal(rank_NK, golden["kr/main/rank"])
    encoding = encode(rows, expand(rank_NK, int(k1), round(int(k1) / 2)))
    assert np.abs(encoding.toarray() - golden["kr/main/V"]).max() <= 1e-6
    assert np.abs(average(encoding, rank_NK, int(k2)).toarray() - golden["kr/main/V_qe"]).max() <= 1e-6


@each_golden("rerank")
def test_golden_rerank_from_features(path):
    golden = Golden(path)
    query_QD, gallery_GD = golden["feat/q"].astype(np.float64), golden["feat/g"].astype(np.float64)
    for (k1, k2, weight), theirs in zip(golden["krf/params"], golden["krf/f32"], strict=True):
        rows = feature_rows(query_QD, gallery_GD)
        blocks = reciprocal_distances(rows, len(query_QD), len(gallery_GD), int(k1), int(k2), float(weight))
        assert np.abs(np.concatenate(list(blocks)) - theirs).max() <= 1e-5


def test_blocks_change_nothing(monkeypatch):
    generator = np.random.default_rng(0)
    query_QD, gallery_GD = generator.normal(size=(30, 8)), generator.normal(size=(70, 8))
    found = []
    for block in (7, 1000):
        monkeypatch.setattr("tbpsbench.rerankers.reciprocal.BLOCK", block)
        found.append(np.concatenate(list(reciprocal_distances(feature_rows(query_QD, gallery_GD), 30, 70, 12, 4, 0.3))))
    assert np.abs(found[0] - found[1]).max() < 1e-6


def test_equal_distances_are_ordered_by_number():
    rows = feature_rows(np.zeros((2, 3)), np.zeros((4, 3)))
    assert nearest(rows, 6, 3).tolist() == [[0, 1, 2]] * 6


def test_matrices_that_do_not_belong_together_are_refused():
    with pytest.raises(DataError, match=r"need matrices of \(2, 2\) and \(3, 3\)"):
        squared_rows(np.zeros((2, 3)), np.zeros((2, 2)), np.zeros((2, 2)))
    with pytest.raises(DataError, match="widths must agree"):
        feature_rows(np.zeros((2, 3)), np.zeros((2, 2)))
