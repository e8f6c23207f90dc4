"""The default index: exact search by matrix products.

Shapes: Q queries, D width, C candidates, K best.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tbpsbench.registry import INDEXES
from tbpsbench.retrieval.half import HalfScan
from tbpsbench.retrieval.local import LocalIndex
from tbpsbench.retrieval.rows import Precision
from tbpsbench.retrieval.scan import scan

# With fewer rows the copy is not worth its bookkeeping.
MANY_ROWS = 20_000


@INDEXES.register("exact")
class ExactIndex(LocalIndex):
    """Every vector is compared with every query; the rows are memory-mapped and read chunk by chunk.

    A query alone reads a copy of half the bytes first (half.py), which rules most rows out; the scores are those of the
    rows all the same, and so is the order. A product of two queries or more takes less time than a copy for each.

    Args:
        folder, dim, writable: supplied by the gallery.
        dtype: how vectors are kept. "float16" takes half the space; products are taken in float32 all the same, of the
            rounded vectors.
    """

    def __init__(self, folder: str | Path, dim: int, writable: bool = True, dtype: Precision = "float32") -> None:
        super().__init__(folder, dim, dtype, writable=writable)
        self._half = HalfScan(self.rows)

    def search(self, query_QD: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        """See `Index.search`."""
        query_QD = self._asked(query_QD, k)
        alive_N = self.rows.alive
        k = min(k, int(np.count_nonzero(alive_N)))
        row_C = None
        if k and len(query_QD) == 1 and len(alive_N) >= MANY_ROWS:
            row_C = self._half.candidates(query_QD[0], k, alive_N)
        if row_C is None:
            return scan(self.rows, query_QD, k)
        score_K, id_K = self._ranked(row_C, self.rows.stored[row_C], query_QD[0], k)
        return score_K[None], id_K[None]

    def add(self, id_N: np.ndarray, vector_ND: np.ndarray) -> None:
        """See `Index.add`; they are on the disk at once."""
        super().add(id_N, vector_ND)
        self._half.follow()
