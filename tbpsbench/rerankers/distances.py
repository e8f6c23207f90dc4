"""Distances among queries and images, as far as k-reciprocal encoding reads them.

Shapes: Q queries, G images, N = Q + G items, queries first, X items filled up; B items of a strip, C items from its
first on, D width, K neighbours, M pairs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from scipy import sparse

from tbpsbench.errors import DataError
from tbpsbench.rerankers.nearest import Nearest
from tbpsbench.vectors import full_precision

# Distances of one strip, in bytes.
STRIP_BYTES = 16 << 20
# Items are filled up to a multiple of this: equal features then get equal products, wherever they stand (see
# metrics/products.py; with torch's products, not with NumPy's).
MULTIPLE = 192
# Rows that are added to, and pairs that are multiplied, at once: they stay in the cache.
ROWS, PAIRS = 32, 512


@dataclass(frozen=True)
class Distances:
    """Squared distances of the items over the largest of an item's row, as the released code normalises them.

    Attributes:
        rank_NK: int32, the nearest items of every item, nearest first; of equal distances the lower number first.
        original_QG: float32, from queries to images.
        between: pattern of pairs, (N, N) with M entries -> (M,) float32 distances of the entries.
    """

    rank_NK: np.ndarray
    original_QG: np.ndarray
    between: Callable[[sparse.csr_matrix], np.ndarray]


def given_distances(
    query_gallery_QG: np.ndarray, query_QQ: np.ndarray, gallery_GG: np.ndarray, count: int
) -> Distances:
    """From three matrices of plain distances.

    Args:
        query_gallery_QG, query_QQ, gallery_GG: distances; those of two queries, or two images, need not be symmetric.
        count: neighbours of each item, K; N are given where it is more.

    Raises:
        DataError: if the shapes disagree.
    """
    queries, gallery = query_gallery_QG.shape
    if query_QQ.shape != (queries, queries) or gallery_GG.shape != (gallery, gallery):
        raise DataError(
            f"distances of {queries} queries and {gallery} images need matrices of {(queries, queries)} and "
            f"{(gallery, gallery)} beside theirs, got {query_QQ.shape} and {gallery_GG.shape}"
        )
    square_NN = np.block([[query_QQ.T, query_gallery_QG], [query_gallery_QG.T, gallery_GG.T]]).astype(np.float32)
    np.square(square_NN, out=square_NN)
    square_NN /= _divisors(square_NN.max(axis=1))[:, None]
    rank_NK = square_NN.argsort(axis=1, kind="stable")[:, :count].astype(np.int32)
    return Distances(
        rank_NK, square_NN[:queries, queries:].copy(), lambda pairs: square_NN[_rows(pairs), pairs.indices]
    )


def euclidean_distances(query_QD: np.ndarray, gallery_GD: np.ndarray, count: int) -> Distances:
    """From features; computed in their type, compared in float32. Each pair is multiplied once, strip by strip.

    Args:
        query_QD, gallery_GD: features.
        count: as in `given_distances`.

    Raises:
        DataError: if the widths disagree.
    """
    if query_QD.shape[1:] != gallery_GD.shape[1:]:
        raise DataError(f"query features are {query_QD.shape}, gallery features {gallery_GD.shape}: widths must agree")
    queries, total = len(query_QD), len(query_QD) + len(gallery_GD)
    filling_ZD = np.zeros((-total % MULTIPLE, query_QD.shape[1]), query_QD.dtype)
    item_XD = np.concatenate([query_QD, gallery_GD, filling_ZD])
    length_X = np.square(item_XD).sum(axis=1)
    nearest, largest_N = Nearest(total, min(count, total)), np.zeros(total, np.float32)
    original_QG = np.empty((queries, total - queries), np.float32)
    for start, square_BC in _strips(item_XD, length_X, total):
        stop = start + len(square_BC)
        np.maximum(largest_N[start:stop], square_BC.max(axis=1), out=largest_N[start:stop])
        np.maximum(largest_N[start:], square_BC.max(axis=0), out=largest_N[start:])
        nearest.see(start, square_BC)
        if start < queries:
            original_QG[start:stop] = square_BC[: queries - start, queries - start :]
    largest_N = _divisors(largest_N)
    original_QG /= largest_N[:queries, None]

    def between(pairs: sparse.csr_matrix) -> np.ndarray:
        one_M, other_M = _rows(pairs), pairs.indices
        square_M = np.empty(len(one_M), np.float32)
        for first in range(0, len(one_M), PAIRS):
            part = slice(first, first + PAIRS)
            one, other = one_M[part], other_M[part]
            product = np.einsum("md,md->m", item_XD[one], item_XD[other])
            square_M[part] = np.maximum(length_X[one] + length_X[other] - 2 * product, 0)
        square_M[one_M == other_M] = 0
        return square_M / largest_N[one_M]

    return Distances(nearest.ranks(), original_QG, between)


def _strips(item_XD: np.ndarray, length_X: np.ndarray, total: int) -> Iterator[tuple[int, np.ndarray]]:
    """First item of a strip, and (B, C) float32 squared distances of its items to all from the first on."""
    filled = len(item_XD)
    size = max(1, STRIP_BYTES // (MULTIPLE * filled * item_XD.itemsize)) * MULTIPLE
    scratch = np.empty(min(size, filled) * filled, item_XD.dtype)
    for start in range(0, total, size):
        rows_BD = item_XD[start : start + size]
        block_BX = scratch[: len(rows_BD) * (filled - start)].reshape(len(rows_BD), -1)
        with full_precision("cpu"):
            rows, items = torch.from_numpy(rows_BD * -2), torch.from_numpy(item_XD[start:])
            torch.mm(rows, items.T, out=torch.from_numpy(block_BX))
        for first in range(0, len(block_BX), ROWS):
            part_RX, own = block_BX[first : first + ROWS], slice(start + first, start + first + ROWS)
            # Both lengths are added at once, so that either side of a pair gets the same bits.
            part_RX += length_X[own, None] + length_X[start:]
            np.maximum(part_RX, 0, out=part_RX)
        np.fill_diagonal(block_BX, 0)
        yield start, block_BX[: total - start, : total - start].astype(np.float32, copy=False)


def _rows(pairs: sparse.csr_matrix) -> np.ndarray:
    """(M,) row of each entry."""
    return np.repeat(np.arange(pairs.shape[0]), np.diff(pairs.indptr))


def _divisors(largest_N: np.ndarray) -> np.ndarray:
    """Rows of zeros, all items alike, stay as they are."""
    return np.where(largest_N > 0, largest_N, 1).astype(np.float32)
