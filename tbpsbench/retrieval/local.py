"""What the indexes of one machine have in common: their vectors are rows of a file.

Shapes: N items, Q queries, D width, K best, C candidates.
"""

from __future__ import annotations

from abc import abstractmethod
from pathlib import Path
from typing import Any

import numpy as np

from tbpsbench.metrics.even import row_products
from tbpsbench.retrieval.base import Index
from tbpsbench.retrieval.finite import require_finite
from tbpsbench.retrieval.rows import Precision, Rows
from tbpsbench.retrieval.scan import scan, scan_all


class LocalIndex(Index):
    """Base of indexes over `Rows`: all but `search`.

    Args:
        folder, dim, writable: as `Index` says.
        dtype: how vectors are kept.
    """

    def __init__(self, folder: str | Path, dim: int, dtype: Precision, *, writable: bool) -> None:
        self.folder, self.dim, self.writable = Path(folder), dim, writable
        self.rows = Rows(self.folder, dim, dtype, writable=writable)

    def similarities(self, query_QD: np.ndarray) -> np.ndarray:
        """See `Index.similarities`."""
        return scan_all(self.rows, self._asked(query_QD))

    def add(self, id_N: np.ndarray, vector_ND: np.ndarray) -> None:
        """See `Index.add`; they are on the disk at once."""
        self.rows.append(*self._given(id_N, vector_ND))

    def remove(self, id_N: np.ndarray) -> None:
        """See `Index.remove`."""
        self.rows.remove(id_N)

    def vectors(self, id_N: np.ndarray) -> np.ndarray:
        """See `Index.vectors`."""
        return self.rows.read(self.rows.rows_of(id_N))

    def last_id(self) -> int:
        """See `Index.last_id`; a removed row keeps its id."""
        return int(self.rows.ids_by_row[-1]) if self.rows.count else -1

    def ids(self) -> np.ndarray:
        """See `Index.ids`."""
        return self.rows.ids()

    def _ranked(
        self, row_C: np.ndarray, stored_CD: np.ndarray, query_D: np.ndarray, k: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """Scores and ids of the k best of some rows, which ascend: equal scores come in the order of the ids.

        Raises:
            DataError: if a score is no finite number, since its row is damaged.
        """
        score_C, id_C = row_products(stored_CD, query_D), self.rows.ids_by_row[row_C]
        require_finite(score_C, id_C, self.folder)
        best_K = np.argsort(-score_C, kind="stable")[:k]
        return score_C[best_K], id_C[best_K]


class ReRankedIndex(LocalIndex):
    """Base of indexes that find candidates in a smaller copy of the vectors and score those exactly.

    The smaller copy is derived from the rows and may lag behind them on the disk: what it lacks is taken in when the
    index is opened. Where candidates would be too few, or nearly all, every row is scored instead.

    Args:
        folder, dim, writable: as `Index` says.
        candidates: that each query finds at least, and four times k where that is more; > 0.
        dtype: how the exact vectors are kept.

    Raises:
        ValueError: if `candidates` is not positive.
    """

    def __init__(
        self, folder: str | Path, dim: int, candidates: int, dtype: Precision = "float32", *, writable: bool
    ) -> None:
        super().__init__(folder, dim, dtype, writable=writable)
        if candidates < 1:
            raise ValueError(f"candidates is {candidates}, expected at least 1")
        self.candidates = candidates

    @abstractmethod
    def taken_in(self) -> int:
        """How many rows the smaller copy holds: the first ones, removed ones included."""

    @abstractmethod
    def take_in(self) -> None:
        """Bring the smaller copy up to the rows; it may decide that so few are not worth one."""

    @abstractmethod
    def find(self, query_QD: np.ndarray, count: int, alive_N: np.ndarray | None) -> np.ndarray:
        """(Q, C) int64 rows of the smaller copy that are likely among the best; -1 where there is none.

        Args:
            query_QD: float32.
            count: C.
            alive_N: which of its rows may be found; None: all.
        """

    def search(self, query_QD: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        """See `Index.search`."""
        query_QD = self._asked(query_QD, k)
        alive_N, known = self.rows.alive, self.taken_in()
        there = int(np.count_nonzero(alive_N))
        k, count = min(k, there), max(self.candidates, 4 * k)
        if known < len(alive_N) or count >= there // 2 or not len(query_QD):
            return scan(self.rows, query_QD, k) if k else _nothing(len(query_QD))
        found_QC = self.find(query_QD, count, None if there == len(alive_N) else alive_N)
        score_QK, id_QK = np.empty((len(query_QD), k), np.float32), np.empty((len(query_QD), k), np.int64)
        for query, found_C in enumerate(found_QC):
            row_C = np.unique(found_C[found_C >= 0])
            row_C = row_C[alive_N[row_C]]
            if len(row_C) < k:
                (score_QK[query],), (id_QK[query],) = scan(self.rows, query_QD[query : query + 1], k)
                continue
            score_QK[query], id_QK[query] = self._ranked(row_C, self.rows.read(row_C), query_QD[query], k)
        return score_QK, id_QK

    def add(self, id_N: np.ndarray, vector_ND: np.ndarray) -> None:
        """See `Index.add`; the rows are on the disk at once."""
        super().add(id_N, vector_ND)
        self.take_in()

    def about(self) -> dict[str, Any]:
        """See `Index.about`."""
        return {**super().about(), "compressed": self.taken_in(), "candidates": self.candidates}


def _nothing(queries: int) -> tuple[np.ndarray, np.ndarray]:
    return np.empty((queries, 0), np.float32), np.empty((queries, 0), np.int64)
