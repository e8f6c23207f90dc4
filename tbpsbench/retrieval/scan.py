"""Exact search: every similarity is computed, one chunk of rows after the other, and only the best are kept.

Shapes: N rows, C rows of a chunk, Q queries, D width, K best.
"""

from __future__ import annotations

import numpy as np
import torch

from tbpsbench.retrieval.best import Best
from tbpsbench.retrieval.rows import Rows
from tbpsbench.vectors import full_precision

# Bytes of float32 rows that are multiplied at once, and the most scores of a chunk.
CHUNK_BYTES, CHUNK_SCORES = 8 << 20, 1 << 20
# Up to so many queries a product with a row for each picture, and turning it round, is the faster way to all scores.
TURNED = 16


def scan(rows: Rows, query_QD: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """The k best rows of each query: scores (Q, K) float32 and ids (Q, K) int64, K = min(k, rows that are there)."""
    stored_ND, alive_N, id_N = rows.stored, rows.alive, rows.ids_by_row
    count = min(len(stored_ND), len(alive_N))
    k = min(k, int(np.count_nonzero(alive_N[:count])))
    if not k or not len(query_QD):
        return np.empty((len(query_QD), k), np.float32), np.empty((len(query_QD), k), np.int64)
    best = Best(len(query_QD), k)
    step = chunk_rows(stored_ND.shape[1], len(query_QD))
    with full_precision("cpu"):
        for first in range(0, count, step):
            chunk = slice(first, min(first + step, count))
            score_CQ = products(query_QD, stored_ND[chunk])
            if not (alive_C := alive_N[chunk]).all():
                score_CQ[~alive_C] = -np.inf
            best.offer(score_CQ, first)
    score_QK, row_QK = best.taken()
    return score_QK, id_N[row_QK]


def scan_all(rows: Rows, query_QD: np.ndarray) -> np.ndarray:
    """(Q, N) float32: the score of every row that is there."""
    stored_ND, alive_N = rows.stored, rows.alive
    whole, step = bool(alive_N.all()), chunk_rows(stored_ND.shape[1], len(query_QD))
    found_QN = np.empty((len(query_QD), int(np.count_nonzero(alive_N))), np.float32)
    filled = 0
    with full_precision("cpu"):
        for first in range(0, len(alive_N), step):
            chunk = slice(first, min(first + step, len(alive_N)))
            row_CD = stored_ND[chunk] if whole else stored_ND[chunk][alive_N[chunk]]
            part_QC = found_QN[:, filled : filled + len(row_CD)]
            filled += len(row_CD)
            if len(query_QD) <= TURNED:
                part_QC[:] = products(query_QD, row_CD).T
            else:
                torch.mm(torch.from_numpy(query_QD), _float32(row_CD).T, out=torch.from_numpy(part_QC))
    return found_QN


def chunk_rows(dim: int, queries: int) -> int:
    """Rows that are multiplied at once: few enough for the caches, enough for the product to be worth its call."""
    return max(1024, min(CHUNK_BYTES // (4 * dim), CHUNK_SCORES // max(1, queries)))


def products(query_QD: np.ndarray, stored_CD: np.ndarray) -> np.ndarray:
    """(C, Q) float32 dot products, a row for each stored one.

    Of one query by NumPy's product of matrix and vector, of more by torch's of two matrices: each is the faster one
    where it is used.
    """
    if len(query_QD) == 1:
        return (stored_CD.astype(np.float32, copy=False) @ query_QD[0])[:, None]
    return (_float32(stored_CD) @ torch.from_numpy(query_QD).T).numpy()


def _float32(stored_CD: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(stored_CD.astype(np.float32, copy=False))
