"""Exact search: every similarity is computed, one chunk of rows after the other, and only the best are kept.

Shapes: N rows, C rows of a chunk, Q queries, D width, K best.
"""

from __future__ import annotations

import numpy as np

from tbpsbench.retrieval.best import Best
from tbpsbench.retrieval.rows import Rows

# Bytes of float32 rows that are multiplied at once, and the most scores of a chunk.
CHUNK_BYTES, CHUNK_SCORES = 8 << 20, 1 << 20


def scan(rows: Rows, query_QD: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """The k best rows of each query: scores (Q, K) float32 and ids (Q, K) int64, K = min(k, rows that are there)."""
    stored_ND, alive_N, id_N = rows.stored, rows.alive, rows.ids_by_row
    count = min(len(stored_ND), len(alive_N))
    k = min(k, int(np.count_nonzero(alive_N[:count])))
    if not k or not len(query_QD):
        return np.empty((len(query_QD), k), np.float32), np.empty((len(query_QD), k), np.int64)
    best = Best(len(query_QD), k)
    step = chunk_rows(stored_ND.shape[1], len(query_QD))
    for first in range(0, count, step):
        chunk = slice(first, min(first + step, count))
        score_QC = products(query_QD, stored_ND[chunk])
        if not (alive_C := alive_N[chunk]).all():
            score_QC[:, ~alive_C] = -np.inf
        best.offer(score_QC, first)
    score_QK, row_QK = best.taken()
    return score_QK, id_N[row_QK]


def scan_all(rows: Rows, query_QD: np.ndarray) -> np.ndarray:
    """(Q, N) float32: the score of every row that is there."""
    stored_ND, alive_N = rows.stored, rows.alive
    whole, step = bool(alive_N.all()), chunk_rows(stored_ND.shape[1], len(query_QD))
    found_QN = np.empty((len(query_QD), int(np.count_nonzero(alive_N))), np.float32)
    filled = 0
    for first in range(0, len(alive_N), step):
        chunk = slice(first, min(first + step, len(alive_N)))
        score_QC = products(query_QD, stored_ND[chunk])
        if not whole:
            score_QC = score_QC[:, alive_N[chunk]]
        found_QN[:, filled : filled + score_QC.shape[1]] = score_QC
        filled += score_QC.shape[1]
    return found_QN


def chunk_rows(dim: int, queries: int) -> int:
    """Rows that are multiplied at once: few enough for the caches, enough for the product to be worth its call."""
    return max(1024, min(CHUNK_BYTES // (4 * dim), CHUNK_SCORES // max(1, queries)))


def products(query_QD: np.ndarray, stored_CD: np.ndarray) -> np.ndarray:
    """(Q, C) float32 dot products; one query by one vector-matrix product, which reads every row once."""
    row_CD = stored_CD.astype(np.float32, copy=False)
    if len(query_QD) == 1:
        return (row_CD @ query_QD[0])[None]
    return query_QD @ row_CD.T
