"""Exact search: every similarity is computed, one chunk of rows after the other, and only the best are kept.

Equal rows get equal scores, wherever they stand (metrics/even.py).

Shapes: N rows, C rows of a chunk, Q queries, D width, K best.
"""

from __future__ import annotations

import numpy as np

from tbpsbench.metrics.even import MULTIPLE, even_products
from tbpsbench.retrieval.best import Best
from tbpsbench.retrieval.finite import require_finite
from tbpsbench.retrieval.rows import Rows

# Bytes of float32 rows that are multiplied at once, and the most scores of a chunk.
CHUNK_BYTES, CHUNK_SCORES = 8 << 20, 1 << 20


def scan(rows: Rows, query_QD: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """The k best rows of each query: scores (Q, K) float32 and ids (Q, K) int64, K = min(k, rows that are there).

    Raises:
        DataError: if the score of a row is no finite number, since it is damaged; names it.
    """
    stored_ND, alive_N, id_N = rows.stored, rows.alive, rows.ids_by_row
    count = min(len(stored_ND), len(alive_N))
    k = min(k, int(np.count_nonzero(alive_N[:count])))
    if not k or not len(query_QD):
        return np.empty((len(query_QD), k), np.float32), np.empty((len(query_QD), k), np.int64)
    best = Best(len(query_QD), k)
    step = chunk_rows(stored_ND.shape[1], len(query_QD))
    for first in range(0, count, step):
        chunk = slice(first, min(first + step, count))
        score_QC, alive_C = even_products(query_QD, stored_ND[chunk]), alive_N[chunk]
        require_finite(score_QC[0], id_N[chunk], rows.folder, alive_C)
        if not alive_C.all():
            score_QC[:, ~alive_C] = -np.inf
        best.offer(score_QC, first)
    score_QK, row_QK = best.taken()
    return score_QK, id_N[row_QK]


def scan_all(rows: Rows, query_QD: np.ndarray) -> np.ndarray:
    """(Q, N) float32: the score of every row that is there.

    Raises:
        DataError: as `scan`.
    """
    stored_ND, alive_N, id_N = rows.stored, rows.alive, rows.ids_by_row
    whole, step = bool(alive_N.all()), chunk_rows(stored_ND.shape[1], len(query_QD))
    found_QN = np.empty((len(query_QD), int(np.count_nonzero(alive_N))), np.float32)
    filled = 0
    for first in range(0, len(alive_N), step):
        chunk = slice(first, min(first + step, len(alive_N)))
        row_CD, id_C = stored_ND[chunk], id_N[chunk]
        if not whole:
            row_CD, id_C = row_CD[alive_N[chunk]], id_C[alive_N[chunk]]
        part_QC = even_products(query_QD, row_CD, found_QN[:, filled : filled + len(row_CD)])
        if len(part_QC):
            require_finite(part_QC[0], id_C, rows.folder)
        filled += len(row_CD)
    return found_QN


def chunk_rows(dim: int, queries: int) -> int:
    """Rows that are multiplied at once: few enough for the caches, enough for the product to be worth its call.

    A multiple of `MULTIPLE`, so that no chunk but the last must be filled up.
    """
    return max(1024, min(CHUNK_BYTES // (4 * dim), CHUNK_SCORES // max(1, queries))) // MULTIPLE * MULTIPLE
