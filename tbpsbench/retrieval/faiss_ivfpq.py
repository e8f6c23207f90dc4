"""FAISS' lists of product codes, `dim / code_bytes` numbers a byte: for galleries of which a scan is too slow.

Shapes: N rows, D width.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from tbpsbench.registry import INDEXES
from tbpsbench.retrieval.faiss import FaissIndex
from tbpsbench.retrieval.rows import Precision


@INDEXES.register("faiss-ivfpq")
class FaissIVFPQ(FaissIndex):
    """Lists around centres, vectors as product codes (Jegou et al. 2011). Needs `tbpsbench[faiss]`.

    Args:
        folder, dim, writable: supplied by the gallery.
        lists: centres that k-means finds; the index is exact until 40 times as many rows are there.
        code_bytes: of each vector; divides the width.
        probes: lists that a query looks through.
        candidates: that are scored exactly, at least.
        dtype: how the exact vectors are kept on the disk.

    Raises:
        ValueError: if `code_bytes` does not divide the width.
    """

    def __init__(
        self, folder: str | Path, dim: int, writable: bool = True, lists: int = 1024, code_bytes: int = 64,
        probes: int = 64, candidates: int = 400, dtype: Precision = "float32",
    ) -> None:  # fmt: skip
        if dim % code_bytes:
            raise ValueError(f"code_bytes is {code_bytes}, which does not divide the width {dim}")
        self._lists, self._code_bytes, self._probes = lists, code_bytes, probes
        super().__init__(folder, dim, candidates, dtype, "ivfpq.faiss", 40 * lists, writable=writable)

    def make(self, sample_ND: np.ndarray) -> Any:
        """See `FaissIndex.make`."""
        inner = self._faiss.METRIC_INNER_PRODUCT
        centres = self._faiss.IndexFlatIP(self.dim)
        made = self._faiss.IndexIVFPQ(centres, self.dim, self._lists, self._code_bytes, 8, inner)
        made.own_fields = True
        centres.this.disown()
        made.train(sample_ND)
        return made

    def settings(self, shown: Any) -> Any:
        """See `FaissIndex.settings`."""
        return self._faiss.SearchParametersIVF(nprobe=self._probes, sel=shown)
