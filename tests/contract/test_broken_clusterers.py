"""The contract of clusterers can fail: it is shown one that breaks each promise."""

from dataclasses import replace

import numpy as np
import pytest

from tbpsbench import testing
from tbpsbench.captions.clustering.base import NONE, Clusterer, partition, unit_rows
from tbpsbench.captions.clustering.kmeans import KMeans
from tbpsbench.registry import CLUSTERERS


def clusterer(change=lambda self, clusters, rows: clusters, **attributes):
    class Toy(Clusterer):
        """Two clusters by the sign of the first number."""

        def cluster(self, embedding_ND):
            row_ND = unit_rows(embedding_ND)
            return change(self, partition(row_ND, (row_ND[:, 0] > 0.5).astype(np.int64)), embedding_ND)

    for name, value in attributes.items():
        setattr(Toy, name, value)
    return Toy


def in_place(self, clusters, rows):
    rows *= 2
    return clusters


def drifting(self, clusters, rows):
    self.calls = getattr(self, "calls", 0) + 1
    return partition(unit_rows(rows), np.arange(len(rows)) // self.calls % 3)


def by_length(self, clusters, rows):
    return partition(unit_rows(rows), (np.linalg.norm(rows, axis=1) > 4).astype(np.int64))


def by_lot(self, clusters, rows):
    return partition(unit_rows(rows), np.random.randint(0, 3, len(rows)))


def with_label(label):
    def change(self, clusters, rows):
        label_N = clusters.label_N.copy()
        label_N[3] = label
        return replace(clusters, label_N=label_N)

    return change


@pytest.mark.parametrize(
    ("toy", "message"),
    [
        (clusterer(in_place), "changed in place, expected"),
        (clusterer(lambda self, c, rows: c.label_N), "returned ndarray, expected Clusters"),
        (
            clusterer(lambda self, c, rows: replace(c, label_N=c.label_N[:5])),
            r"shape \(5,\), expected one label a text",
        ),
        (clusterer(lambda self, c, rows: replace(c, label_N=c.label_N.astype(float))), "float64, expected int64"),
        (clusterer(with_label(7)), r"holds \[7\], expected 0 to 1"),
        (clusterer(with_label(NONE)), "text 3 has the label -1 and is in .*, expected no cluster"),
        (clusterer(lambda self, c, rows: replace(c, centre_KD=c.centre_KD[:, :3])), r"expected \(K, D\)"),
        (clusterer(lambda self, c, rows: replace(c, centre_KD=c.centre_KD / 0)), "not finite, expected numbers"),
        (
            clusterer(lambda self, c, rows: replace(c, members=(np.arange(len(rows)), c.members[1]))),
            "is in 2 clusters, expected one: set overlapping = True",
        ),
        (clusterer(lambda self, c, rows: replace(c, members=(c.members[0], c.members[1][:0]))), "cluster 1 is empty"),
        (
            clusterer(lambda self, c, rows: replace(c, members=(np.repeat(c.members[0], 2), c.members[1]))),
            "holds a text twice",
        ),
        (clusterer(lambda self, c, rows: replace(c, report={3: 1})), "no text, expected plain data"),
        (clusterer(drifting), "a second call gave other clusters, expected the same"),
        (clusterer(by_lot), "a second call gave other clusters, expected the same"),
        (clusterer(by_length), "four times as long gave other clusters, expected the same"),
    ],
)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_broken_clusterer_is_caught(register, toy, message):
    with pytest.raises(AssertionError, match=message):
        testing.check_clusterer(register(CLUSTERERS, toy))


def test_sound_clusterer_passes(register):
    assert len(testing.check_clusterer(register(CLUSTERERS, clusterer()))) == 2


def test_clusterer_that_takes_any_numbers_is_caught(register):
    class Careless(KMeans):
        """Clusters nothing at all without a word."""

        def cluster(self, embedding_ND):
            return super().cluster(np.nan_to_num(embedding_ND) if len(embedding_ND) else np.ones((9, 3)))

    with pytest.raises(AssertionError, match="numbers that are not finite it gave clusters, expected a DataError"):
        testing.check_clusterer(register(CLUSTERERS, Careless) | {"clusters": 2})


def test_clusterer_that_breaks_on_bad_numbers_is_caught(register):
    class Raw(Clusterer):
        """Looks at nothing first."""

        def cluster(self, embedding_ND):
            row_ND = embedding_ND / np.linalg.norm(embedding_ND, axis=1, keepdims=True)
            if not np.isfinite(row_ND).all():
                raise ZeroDivisionError("oh")
            return partition(row_ND, (row_ND[:, 0] > 0.5).astype(np.int64))

    with pytest.raises(AssertionError, match="it raised ZeroDivisionError: oh; expected a DataError"):
        testing.check_clusterer(register(CLUSTERERS, Raw))
