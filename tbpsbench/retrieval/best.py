"""The k best of scores that come chunk by chunk, exactly, with few comparisons.

Shapes: Q queries, C rows of a chunk, K best.
"""

from __future__ import annotations

import numpy as np

from tbpsbench.metrics.selection import reached


class Best:
    """The k best rows of each query so far; of equal scores the earlier row comes first.

    Chunks must come in the order of their rows. From the k-th best score on nothing but a larger one can get in, so
    after the first chunk nearly every score costs one comparison.

    Args:
        queries: how many.
        k: at least 1.
    """

    def __init__(self, queries: int, k: int) -> None:
        self.k = k
        self._score: list[np.ndarray] = [np.empty(0, np.float32) for _ in range(queries)]
        self._row: list[np.ndarray] = [np.empty(0, np.int64) for _ in range(queries)]
        self._floor_Q = np.full(queries, -np.inf, np.float32)

    def offer(self, score_QC: np.ndarray, first: int) -> None:
        """Take the scores of rows first, first + 1, ..., none of them NaN; -inf is never taken."""
        queries, count = score_QC.shape
        over_QC = score_QC > self._floor_Q[:, None]
        if np.isneginf(self._floor_Q).any() and self.k <= count:
            over_QC &= score_QC >= reached(score_QC, self.k)[:, None]
        found_M = np.flatnonzero(over_QC)  # one query after the other, each from the first row to the last
        if not len(found_M):
            return
        query_M, row_M = np.divmod(found_M, count)
        starts = np.searchsorted(query_M, np.arange(queries + 1))
        for query in range(queries):
            row = row_M[starts[query] : starts[query + 1]]
            if len(row):
                self._merge(query, score_QC[query, row], row + first)

    def _merge(self, query: int, score: np.ndarray, row: np.ndarray) -> None:
        if len(score) > 4 * self.k:
            kth = np.partition(score, len(score) - self.k)[len(score) - self.k]
            chosen = np.flatnonzero(score >= kth)
            score, row = score[chosen], row[chosen]
        score, row = np.concatenate([self._score[query], score]), np.concatenate([self._row[query], row])
        order = np.argsort(-score, kind="stable")[: self.k]
        self._score[query], self._row[query] = score[order], row[order]
        if len(order) == self.k:
            self._floor_Q[query] = self._score[query][-1]

    def taken(self) -> tuple[np.ndarray, np.ndarray]:
        """Scores (Q, K) float32, best first, and rows (Q, K) int64; every query was offered at least K rows."""
        return np.stack(self._score), np.stack(self._row)
