"""DBSCAN in bounded memory, and the k-distance curve that its radius is sought on.

The neighbourhoods of a wide radius are of the order of N x N: 37 GB for the captions of CUHK-PEDES. Here no list of
neighbours is kept. Blocks of cosines are made anew where they are needed, once to count neighbours and once to join
what is dense, so memory depends on neither the radius nor the density. Equal rows are looked at once and counted by
weight.

Shapes: N texts, M distinct rows, B rows of a block, D width.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from tbpsbench.captions.clustering.base import NONE

BLOCK_NUMBERS = 1 << 22  # cosines held at once: 16 MB


def distinct_rows(row_ND: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The distinct rows, in the order in which they first appear.

    Returns:
        these rows (M, D), which of them each row is (N,), and how often each occurs (M,).
    """
    numbers: dict[bytes, int] = {}
    which_N = np.array([numbers.setdefault(row_D.tobytes(), len(numbers)) for row_D in row_ND], dtype=np.int64)
    first_M = np.full(len(numbers), len(row_ND))
    np.minimum.at(first_M, which_N, np.arange(len(row_ND)))
    return row_ND[first_M], which_N, np.bincount(which_N, minlength=len(numbers))


def k_distances(row_MD: np.ndarray, k: int, sample: int = 4000, weight_M: np.ndarray | None = None) -> np.ndarray:
    """Distance to the k-th nearest other text, ascending, of up to `sample` rows spread over all.

    Args:
        row_MD: distinct unit rows.
        k: which neighbour; the farthest where there are fewer.
        sample: how many rows are asked; they look among all.
        weight_M: how many texts each row stands for, 1 or more; None for one each.
    """
    asked = np.unique(np.linspace(0, len(row_MD) - 1, min(sample, len(row_MD))).astype(np.int64))
    last = min(k, len(row_MD) - 1)
    gap = []
    for _, cosine_BM in _blocks(row_MD[asked], row_MD):
        near_BK = np.argpartition(-cosine_BM, last, axis=1)[:, : last + 1]
        cosine_BK = np.take_along_axis(cosine_BM, near_BK, axis=1)
        order_BK = np.argsort(-cosine_BK, axis=1)
        reached_B = np.full(len(near_BK), last)
        if weight_M is not None:
            texts_BK = np.cumsum(weight_M[np.take_along_axis(near_BK, order_BK, axis=1)], axis=1)
            reached_B = np.minimum((texts_BK <= k).sum(axis=1), last)  # the text itself is one more than k
        at_B1 = np.take_along_axis(order_BK, reached_B[:, None], axis=1)
        gap.append(_distance(np.take_along_axis(cosine_BK, at_B1, axis=1)[:, 0]))
    return np.sort(np.concatenate(gap))


def dbscan(row_MD: np.ndarray, weight_M: np.ndarray, eps: float, min_samples: int) -> np.ndarray:
    """DBSCAN (Ester et al. 1996) of unit rows by Euclidean distance.

    A row with rows of a weight of `min_samples` or more within `eps`, itself included, is dense; dense rows within
    `eps` of each other are in one cluster. A row that is not dense joins the nearest dense one within `eps` (the
    original takes the first that comes along); the rest is noise.

    Args:
        row_MD: (M, D) unit rows.
        weight_M: (M,) how many texts each row stands for.
        eps: radius, 0..2.
        min_samples: texts within it.

    Returns:
        (M,) int64 labels, `NONE` for noise.
    """
    least = 1 - eps**2 / 2
    near_M, weight_M = np.zeros(len(row_MD)), weight_M.astype(np.float32)
    for rows, cosine_BR in _blocks(row_MD):
        close_BR = cosine_BR >= least
        np.fill_diagonal(close_BR, True)  # rounding must not part a row from itself
        near_M[rows] += close_BR @ weight_M[rows.start :]
        near_M[rows.stop :] += weight_M[rows] @ close_BR[:, len(close_BR) :]
    dense = np.flatnonzero(near_M >= min_samples)
    label_M = np.full(len(row_MD), NONE, dtype=np.int64)
    if not len(dense):
        return label_M
    dense_CD = row_MD[dense]
    label_M[dense] = _joined(dense_CD, least)
    rest = np.flatnonzero(label_M == NONE)
    for rows, cosine_BC in _blocks(row_MD[rest], dense_CD):
        best_B = cosine_BC.argmax(axis=1)
        reached_B = cosine_BC[np.arange(len(best_B)), best_B] >= least
        label_M[rest[rows][reached_B]] = label_M[dense[best_B[reached_B]]]
    return label_M


def _joined(dense_CD: np.ndarray, least: float) -> np.ndarray:
    """Numbers of the connected components of rows whose cosine is at least `least`, (C,)."""
    component_C = np.arange(len(dense_CD))
    for rows, cosine_BR in _blocks(dense_CD):
        if not component_C.any():
            break  # all is one already, as with a wide radius after a few blocks
        row_P, column_P = np.nonzero(cosine_BR >= least)
        one_P, other_P = component_C[rows][row_P], component_C[rows.start :][column_P]
        apart_P = one_P != other_P
        if apart_P.any():
            edges = (one_P[apart_P], other_P[apart_P])
            graph = coo_matrix((np.ones(len(edges[0]), dtype=bool), edges), shape=(len(dense_CD),) * 2)
            component_C = connected_components(graph, directed=False)[1][component_C]
    return component_C


def _blocks(row_BD: np.ndarray, other_MD: np.ndarray | None = None) -> Iterator[tuple[slice, np.ndarray]]:
    """Cosines of rows with all others, a block of rows at a time.

    Without others, cosines of rows with themselves and those that come after the block's first: each pair of rows from
    one side alone.
    """
    start = 0
    while start < len(row_BD):
        against_RD = row_BD[start:] if other_MD is None else other_MD
        rows = slice(start, min(start + max(1, BLOCK_NUMBERS // max(1, len(against_RD))), len(row_BD)))
        yield rows, row_BD[rows] @ against_RD.T
        start = rows.stop


def _distance(cosine: np.ndarray) -> np.ndarray:
    """Euclidean distance of unit rows with this cosine."""
    return np.sqrt(np.maximum(2 - 2 * cosine.astype(np.float64), 0))
