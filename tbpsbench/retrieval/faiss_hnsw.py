"""FAISS' graph: for galleries of which a scan is too slow. It holds one byte a number.

Shapes: N rows, D width.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from tbpsbench.registry import INDEXES
from tbpsbench.retrieval.faiss import FaissIndex
from tbpsbench.retrieval.rows import Precision


@INDEXES.register("faiss-hnsw")
class FaissHNSW(FaissIndex):
    """A graph of neighbours, walked from coarse to fine (Malkov and Yashunin 2018). Needs `tbpsbench[faiss]`.

    Args:
        folder, dim, writable: supplied by the gallery.
        neighbours: of each row in the graph.
        build_width, search_width: how many paths are followed when a row is added, and when one is looked for.
        candidates: that are scored exactly, at least.
        dtype: how the exact vectors are kept on the disk.
    """

    def __init__(
        self, folder: str | Path, dim: int, writable: bool = True, neighbours: int = 32, build_width: int = 200,
        search_width: int = 256, candidates: int = 100, dtype: Precision = "float32",
    ) -> None:  # fmt: skip
        self._graph = (neighbours, build_width, search_width)
        super().__init__(folder, dim, candidates, dtype, "hnsw.faiss", 1000, writable=writable)

    def make(self, sample_ND: np.ndarray) -> Any:
        """See `FaissIndex.make`."""
        quantizer = self._faiss.ScalarQuantizer.QT_8bit
        made = self._faiss.IndexHNSWSQ(self.dim, quantizer, self._graph[0], self._faiss.METRIC_INNER_PRODUCT)
        made.hnsw.efConstruction = self._graph[1]
        made.train(sample_ND)
        return made

    def settings(self, shown: Any) -> Any:
        """See `FaissIndex.settings`."""
        return self._faiss.SearchParametersHNSW(efSearch=max(self._graph[2], self.candidates), sel=shown)
