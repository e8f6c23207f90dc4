"""k-reciprocal encoding (Zhong et al. 2017): two items are close if they are among each other's nearest neighbours, and
if their neighbourhoods overlap.

All steps are sparse and go over blocks of rows, so that nothing of size N x N is ever held.

Shapes: Q queries, G gallery, N = Q + G items, queries first; B items of a block, K neighbours.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from scipy import sparse

from tbpsbench.errors import DataError

Rows = Callable[[int, int], np.ndarray]
BLOCK = 256


def squared_rows(query_gallery_QG: np.ndarray, query_QQ: np.ndarray, gallery_GG: np.ndarray) -> Rows:
    """Blocks of squared distances as the released code normalises them, from three matrices of plain distances.

    Returns:
        (start, stop) -> (B, N) float32: squared distances of the items to all items, over the largest of the row.

    Raises:
        DataError: if the shapes disagree.
    """
    (queries, gallery), total = query_gallery_QG.shape, sum(query_gallery_QG.shape)
    if query_QQ.shape != (queries, queries) or gallery_GG.shape != (gallery, gallery):
        raise DataError(
            f"distances of {queries} queries and {gallery} images need matrices of {(queries, queries)} and "
            f"{(gallery, gallery)} beside theirs, got {query_QQ.shape} and {gallery_GG.shape}"
        )

    def rows(start: int, stop: int) -> np.ndarray:
        block_BN = np.empty((stop - start, total), np.float32)
        cut = min(max(queries, start), stop)  # queries before it, gallery after
        block_BN[: cut - start, :queries] = query_QQ[:, start:cut].T
        block_BN[: cut - start, queries:] = query_gallery_QG[start:cut]
        block_BN[cut - start :, :queries] = query_gallery_QG[:, cut - queries : stop - queries].T
        block_BN[cut - start :, queries:] = gallery_GG[:, cut - queries : stop - queries].T
        return _over_largest(np.square(block_BN))

    return rows


def feature_rows(query_QD: np.ndarray, gallery_GD: np.ndarray) -> Rows:
    """The same from features, by their Euclidean distances; computed in the type of the features.

    Raises:
        DataError: if the widths disagree.
    """
    if query_QD.shape[1:] != gallery_GD.shape[1:]:
        raise DataError(f"query features are {query_QD.shape}, gallery features {gallery_GD.shape}: widths must agree")
    item_ND = np.concatenate([query_QD, gallery_GD])
    square_N = np.square(item_ND).sum(axis=1)

    def rows(start: int, stop: int) -> np.ndarray:
        block_BN = item_ND[start:stop] @ item_ND.T
        block_BN *= -2
        block_BN += square_N
        block_BN += square_N[start:stop, None]
        np.maximum(block_BN, 0, out=block_BN)
        block_BN[np.arange(stop - start), np.arange(start, stop)] = 0
        return _over_largest(block_BN.astype(np.float32, copy=False))

    return rows


def reciprocal_distances(
    rows: Rows, queries: int, gallery: int, k1: int, k2: int, weight: float
) -> Iterator[np.ndarray]:
    """Distances after re-ranking, block by block of queries.

    Args:
        rows: see `squared_rows`; called three times for each query, twice for each image.
        queries, gallery: Q and G.
        k1: size of a neighbourhood; at most N.
        k2: neighbours over which an encoding is averaged; 1 leaves it as it is.
        weight: share of the original distance (the paper's lambda), 0..1.

    Yields:
        (B, G) float32, smaller is closer.
    """
    total = queries + gallery
    half = round(k1 / 2)  # half to even, as the released code rounds
    rank_NK = nearest(rows, total, max(k1, half, k2 - 1) + 1)
    encoding = encode(rows, expand(rank_NK, k1, half))
    if k2 != 1:
        encoding = average(encoding, rank_NK, k2)
    by_column = sparse.csc_matrix(encoding[queries:])
    for start, stop in _blocks(queries):
        jaccard_BG = _jaccard(encoding[start:stop], by_column, gallery)
        original_BG = rows(start, stop)[:, queries:]
        yield (jaccard_BG * (1 - weight) + original_BG * weight).astype(np.float32)


def nearest(rows: Rows, total: int, count: int) -> np.ndarray:
    """(N, K) int32: the nearest items of every item, nearest first; of equal distances the lower number first."""
    count = min(count, total)
    rank_NK = np.empty((total, count), np.int32)
    for start, stop in _blocks(total):
        block_BN = rows(start, stop)
        farthest_B = np.partition(block_BN, count - 1, axis=1)[:, count - 1]
        row_M, item_M = np.nonzero(block_BN <= farthest_B[:, None])
        order_M = np.lexsort((item_M, block_BN[row_M, item_M], row_M))
        first_B = np.searchsorted(row_M, np.arange(stop - start))
        rank_NK[start:stop] = item_M[order_M[first_B[:, None] + np.arange(count)]]
    return rank_NK


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


def encode(rows: Rows, members: sparse.csr_matrix) -> sparse.csr_matrix:
    """(N, N) float32: exp(-distance) to each member of an item's neighbourhood; rows sum to one."""
    value_M = np.empty(members.nnz, np.float32)
    size_N = np.diff(members.indptr)
    for start, stop in _blocks(len(size_N)):
        span = slice(members.indptr[start], members.indptr[stop])
        row_M = np.repeat(np.arange(stop - start), size_N[start:stop])
        weight_M = np.exp(-rows(start, stop)[row_M, members.indices[span]])
        value_M[span] = weight_M / np.bincount(row_M, weight_M, minlength=stop - start)[row_M]
    return sparse.csr_matrix((value_M, members.indices, members.indptr), members.shape)


def average(encoding: sparse.csr_matrix, rank_NK: np.ndarray, k2: int) -> sparse.csr_matrix:
    """Mean of the encodings of an item's k2 nearest items, itself included."""
    near_NK = rank_NK[:, :k2]
    total, count = near_NK.shape
    ends_N = np.arange(total + 1) * count
    share = sparse.csr_matrix((np.full(near_NK.size, 1 / count, np.float32), near_NK.ravel(), ends_N), (total, total))
    return (share @ encoding).tocsr()


def _reciprocal(rank_NK: np.ndarray, k: int) -> sparse.csr_matrix:
    """(N, N) int32 pattern: j is among the k nearest of i and i among those of j; an item is its own nearest."""
    near_NK = rank_NK[:, : k + 1]
    total, count = near_NK.shape
    pattern = sparse.csr_matrix(
        (np.ones(near_NK.size, np.int32), near_NK.ravel(), np.arange(total + 1) * count), (total, total)
    )
    return pattern.multiply(pattern.T).tocsr()


def _jaccard(encoding_BN: sparse.csr_matrix, by_column: sparse.csc_matrix, gallery: int) -> np.ndarray:
    """(B, G) Jaccard distances of encodings that sum to one: 1 - m / (2 - m) with m the sum of their minima."""
    start_M, stop_M = by_column.indptr[encoding_BN.indices], by_column.indptr[encoding_BN.indices + 1]
    length_M = stop_M - start_M
    first_M = np.cumsum(length_M) - length_M
    place_P = np.repeat(start_M - first_M, length_M) + np.arange(length_M.sum())
    minimum_P = np.minimum(np.repeat(encoding_BN.data, length_M), by_column.data[place_P])
    query_M = np.repeat(np.arange(encoding_BN.shape[0]), np.diff(encoding_BN.indptr))
    cell_P = np.repeat(query_M, length_M) * gallery + by_column.indices[place_P]
    overlap_BG = np.bincount(cell_P, minimum_P, minlength=encoding_BN.shape[0] * gallery).reshape(-1, gallery)
    return 1 - overlap_BG / (2 - overlap_BG)


def _over_largest(square_BN: np.ndarray) -> np.ndarray:
    """Rows over their largest entry; a row of zeros, all items alike, stays."""
    largest_B = square_BN.max(axis=1, keepdims=True)
    square_BN /= np.where(largest_B > 0, largest_B, 1)
    return square_BN


def _blocks(total: int) -> Iterator[tuple[int, int]]:
    for start in range(0, total, BLOCK):
        yield start, min(start + BLOCK, total)
