"""What a clusterer promises: groups of texts that are written alike, from their embeddings.

Embeddings are compared by direction: a clusterer scales rows to length one before it looks at them.

Shapes: N texts, D width, K clusters.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from tbpsbench.errors import DataError

NONE = -1  # the label of a text that is in no cluster


@dataclass(frozen=True)
class Clusters:
    """What a clusterer found; the largest cluster is the first.

    Attributes:
        label_N: (N,) int64, the cluster of each text, `NONE` where it is in none; of several, the one whose centre is
            nearest.
        members: K arrays of positions of texts, nearest to the centre first: the first ones are the examples that a
            style is named by.
        centre_KD: (K, D) float32.
        report: what was found and decided on the way (eps, noise, clusters merged, ...), plain data for a manifest.
    """

    label_N: np.ndarray
    members: tuple[np.ndarray, ...]
    centre_KD: np.ndarray
    report: Mapping[str, Any] = field(default_factory=dict)

    def __len__(self) -> int:
        """K, number of clusters."""
        return len(self.members)


class Clusterer(ABC):
    """Base of the slot CLUSTERERS.

    Attributes:
        overlapping: whether a text may be in several clusters or in none; otherwise each is in exactly one.
    """

    overlapping: ClassVar[bool] = False

    @abstractmethod
    def cluster(self, embedding_ND: np.ndarray) -> Clusters:
        """Group texts by their embeddings; equal calls give equal clusters.

        Args:
            embedding_ND: (N, D) floats, one row a text; texts may be equal. It is left as it is.

        Raises:
            DataError: for fewer texts than are needed, numbers that are not finite, or no usable clusters.
        """


def unit_rows(embedding_ND: np.ndarray, least: int = 1) -> np.ndarray:
    """Rows scaled to length one, (N, D) float32; rows of zeros stay.

    Args:
        embedding_ND: (N, D).
        least: how many rows there must be.

    Raises:
        DataError: for another shape, too few rows, or numbers that are not finite.
    """
    row_ND = np.array(embedding_ND, dtype=np.float32)
    if row_ND.ndim != 2 or not row_ND.shape[1]:
        raise DataError(f"embeddings have the shape {row_ND.shape}, expected (texts, width)")
    if len(row_ND) < least:
        raise DataError(f"{len(row_ND)} texts are too few to cluster: this clusterer needs {least}")
    if not np.isfinite(row_ND).all():
        raise DataError("embeddings hold numbers that are not finite: nothing can be said of their clusters")
    length_N1 = np.linalg.norm(row_ND, axis=1, keepdims=True)
    row_ND /= np.where(length_N1 > 0, length_N1, 1)
    return row_ND


def partition(row_ND: np.ndarray, label_N: np.ndarray, report: Mapping[str, Any] | None = None) -> Clusters:
    """The clusters of one label a text, numbered by size (equal sizes: by their first text); `NONE` is in no cluster.

    Args:
        row_ND: (N, D) unit rows.
        label_N: (N,) int, `NONE` or any number of 0 or more.
        report: see `Clusters`.
    """
    given, first, size = np.unique(label_N[label_N != NONE], return_index=True, return_counts=True)
    order = np.lexsort((first, -size))
    renamed = {int(given[old]): new for new, old in enumerate(order)}
    label_N = np.array([renamed.get(int(label), NONE) for label in label_N], dtype=np.int64)
    centre_KD = centres(row_ND, label_N, len(given))
    held = [np.flatnonzero(label_N == number) for number in range(len(given))]
    members = tuple(nearest_first(row_ND, positions, centre) for positions, centre in zip(held, centre_KD, strict=True))
    return Clusters(label_N, members, centre_KD, dict(report or {}))


def centres(row_ND: np.ndarray, label_N: np.ndarray, count: int) -> np.ndarray:
    """Mean direction of each of `count` clusters, (K, D) float32 of length one."""
    sum_KD = np.zeros((count, row_ND.shape[1]))
    for number in range(count):
        sum_KD[number] = row_ND[label_N == number].sum(axis=0, dtype=np.float64)
    length_K1 = np.linalg.norm(sum_KD, axis=1, keepdims=True)
    return (sum_KD / np.where(length_K1 > 0, length_K1, 1)).astype(np.float32)


def nearest_first(row_ND: np.ndarray, positions: Sequence[int] | np.ndarray, centre_D: np.ndarray) -> np.ndarray:
    """The positions ordered by the distance of their rows to a centre; equal distances keep their order."""
    positions = np.asarray(positions, dtype=np.int64)
    gap_M = np.square(row_ND[positions] - centre_D).sum(axis=1)
    return positions[np.argsort(gap_M, kind="stable")]


def nearest_centre(row_ND: np.ndarray, centre_KD: np.ndarray) -> np.ndarray:
    """The nearest of K centres for each row, (N,) int64; the first of equally near ones.

    In blocks of rows: N x K distances are never held at once.
    """
    square_K = np.square(centre_KD).sum(axis=1)
    label_N = np.empty(len(row_ND), dtype=np.int64)
    block = max(1, (1 << 22) // max(1, len(centre_KD)))
    for start in range(0, len(row_ND), block):
        rows = slice(start, start + block)
        label_N[rows] = (square_K - 2 * row_ND[rows] @ centre_KD.T).argmin(axis=1)
    return label_N
