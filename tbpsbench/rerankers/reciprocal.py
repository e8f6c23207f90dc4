"""k-reciprocal encoding (Zhong et al. 2017): two items are close if they are among each other's nearest neighbours, and
if their neighbourhoods overlap.

All steps are sparse, and what has the size of the result is made in place.

Shapes: Q queries, G gallery, N = Q + G items, queries first; B queries of a block, K neighbours; M entries of a sparse
matrix, P pairs of entries in one column.
"""

from __future__ import annotations

import numpy as np
from scipy import sparse

from tbpsbench.rerankers.distances import Distances

# Queries whose encodings are compared with the gallery's at once.
BLOCK = 128


def reach(k1: int, k2: int) -> int:
    """How many nearest items of each item `reciprocal_distances` reads, itself included."""
    return max(k1, _half(k1), k2 - 1) + 1


def reciprocal_distances(found: Distances, k1: int, k2: int, weight: float) -> np.ndarray:
    """Distances after re-ranking.

    Args:
        found: distances before, with `reach(k1, k2)` neighbours; `found.original_QG` is overwritten.
        k1: size of a neighbourhood; at most N.
        k2: neighbours over which an encoding is averaged; 1 leaves it as it is.
        weight: share of the original distance (the paper's lambda), 0..1.

    Returns:
        (Q, G) float32, smaller is closer.
    """
    encoding = encode(found, expand(found.rank_NK, k1, _half(k1)))
    if k2 != 1:
        encoding = average(encoding, found.rank_NK, k2)
    distance_QG = found.original_QG
    queries, gallery = distance_QG.shape
    by_column = sparse.csc_matrix(encoding[queries:])
    for start in range(0, queries, BLOCK):
        block_BG = distance_QG[start : start + BLOCK]
        overlap_BG = np.zeros(block_BG.shape, np.float32)
        _add_overlaps(overlap_BG.reshape(-1), encoding[start : start + len(block_BG)], by_column, gallery)
        # Of encodings that sum to one the Jaccard distance is 1 - m / (2 - m), with m the sum of their minima.
        overlap_BG /= 2 - overlap_BG
        block_BG *= weight
        block_BG += (1 - weight) * (1 - overlap_BG)
    return distance_QG


def expand(rank_NK: np.ndarray, k1: int, half: int) -> sparse.csr_matrix:
    """(N, N) pattern: k-reciprocal neighbours of each item, and those of its neighbours that mostly are its own.

    The neighbours of a neighbour c within `half` join if more than two thirds of them are reciprocal to the item.
    """
    near, nearer = _reciprocal(rank_NK, k1), _reciprocal(rank_NK, half)
    shared = (near @ nearer.T).multiply(near).tocsr()
    size_N = np.diff(nearer.indptr)
    shared.data = (shared.data > 2 / 3 * size_N[shared.indices]).astype(np.int32)
    joined = (shared @ nearer + near).tocsr()
    joined.eliminate_zeros()
    joined.sort_indices()
    return joined


def encode(found: Distances, members: sparse.csr_matrix) -> sparse.csr_matrix:
    """(N, N) float32: exp(-distance) to each member of an item's neighbourhood; rows sum to one."""
    weight_M = np.exp(-found.between(members))
    size_N = np.diff(members.indptr)
    row_M = np.repeat(np.arange(len(size_N)), size_N)
    value_M = (weight_M / np.bincount(row_M, weight_M)[row_M]).astype(np.float32)
    return sparse.csr_matrix((value_M, members.indices, members.indptr), members.shape)


def average(encoding: sparse.csr_matrix, rank_NK: np.ndarray, k2: int) -> sparse.csr_matrix:
    """Mean of the encodings of an item's k2 nearest items, itself included."""
    near_NK = rank_NK[:, :k2]
    total, count = near_NK.shape
    ends_N = np.arange(total + 1) * count
    share = sparse.csr_matrix((np.full(near_NK.size, 1 / count, np.float32), near_NK.ravel(), ends_N), (total, total))
    return (share @ encoding).tocsr()


def _half(k1: int) -> int:
    """Half to even, as the released code rounds."""
    return round(k1 / 2)


def _reciprocal(rank_NK: np.ndarray, k: int) -> sparse.csr_matrix:
    """(N, N) int32 pattern: j is among the k nearest of i and i among those of j; an item is its own nearest."""
    near_NK = rank_NK[:, : k + 1]
    total, count = near_NK.shape
    pattern = sparse.csr_matrix(
        (np.ones(near_NK.size, np.int32), near_NK.ravel(), np.arange(total + 1) * count), (total, total)
    )
    return pattern.multiply(pattern.T).tocsr()


def _add_overlaps(
    overlap_C: np.ndarray, encoding_BN: sparse.csr_matrix, by_column: sparse.csc_matrix, gallery: int
) -> None:
    """Add to each cell (query, image) of a block, C = B * G of them, the smaller of two entries in the same column."""
    start_M = by_column.indptr[encoding_BN.indices].astype(np.intp)
    length_M = by_column.indptr[encoding_BN.indices + 1] - start_M
    place_P = np.repeat(start_M - (np.cumsum(length_M) - length_M), length_M)
    place_P += np.arange(len(place_P))
    smaller_P = np.repeat(encoding_BN.data, length_M)
    np.minimum(smaller_P, by_column.data[place_P], out=smaller_P)
    first_M = np.repeat(np.arange(encoding_BN.shape[0]) * gallery, np.diff(encoding_BN.indptr))
    cell_P = np.repeat(first_M, length_M)
    cell_P += by_column.indices[place_P]
    np.add.at(overlap_C, cell_P, smaller_P)
