import numpy as np
import pytest

from tbpsbench.captions.clustering.base import NONE, unit_rows
from tbpsbench.captions.clustering.settle import settle


def around(*counts, width=8):
    """Unit rows close to the axes, `counts` of them to each."""
    axis = np.repeat(np.arange(len(counts)), counts)
    noise = np.random.default_rng(0).normal(size=(len(axis), width)) * 0.02
    return unit_rows(np.eye(width)[axis] + noise), axis.astype(np.int64)


def test_noise_and_small_clusters_go_to_the_nearest_one_that_stays():
    row_ND, axis_N = around(20, 20, 3)
    row_ND[40:] = unit_rows(row_ND[40:] + 0.5 * np.eye(8)[1])  # the small cluster leans towards the second
    label_N = axis_N.copy()
    label_N[[0, 25]] = NONE
    settled_N, report = settle(row_ND, label_N, least=5)
    assert settled_N.tolist() == [0] * 20 + [1] * 23
    assert report["clusters_found"] == 3
    assert report["clusters_merged"] == 1
    assert report["noise"] == pytest.approx(2 / 43)
    assert report["collapse"] is None


@pytest.mark.parametrize(
    ("label", "reason"),
    [
        (lambda axis: np.zeros_like(axis), "1 cluster of usable size"),
        (lambda axis: np.full_like(axis, NONE), "no clusters of usable size"),
        (lambda axis: np.where(np.arange(len(axis)) % 10 < 6, NONE, axis), "60% of the texts are noise"),
        (lambda axis: np.where(axis == 1, 1, 0), "one cluster holds 67% of the texts"),
    ],
)
def test_a_collapse_is_told(label, reason):
    row_ND, axis_N = around(20, 20, 20)
    settled_N, report = settle(row_ND, label(axis_N), least=5)
    assert report["collapse"].startswith(reason)
    assert settled_N.min() >= 0
