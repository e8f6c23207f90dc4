"""Compressed scan: 2 or 4 bits a number (TurboQuant, Zandieh et al. 2025), the candidates re-ranked exactly.

The package `turbovec` holds the compressed vectors in memory (1 M x 512: 130 MB at two bits) and scans all of them; the
exact rows stay on the disk, and a query reads those of its candidates.

Shapes: Q queries, C candidates, N rows, D width.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import numpy as np

from tbpsbench.parts import require
from tbpsbench.registry import INDEXES
from tbpsbench.retrieval.local import ReRankedIndex
from tbpsbench.retrieval.rows import Precision

FILE = "compressed.tv"
# Rows that are read and compressed at once; the width that the package takes is a multiple of this many.
PART_ROWS, MULTIPLE = 65536, 8


@INDEXES.register("turbovec")
class TurbovecIndex(ReRankedIndex):
    """A scan of compressed vectors, then exact scores of the best. Needs `pip install 'tbpsbench[turbovec]'`.

    Args:
        folder, dim, writable: supplied by the gallery.
        bits: of each number.
        candidates: that are scored exactly, at least.
        dtype: how the exact vectors are kept on the disk.

    Raises:
        ConfigError: if the package is not installed.
    """

    def __init__(
        self, folder: str | Path, dim: int, writable: bool = True, bits: Literal[2, 4] = 4, candidates: int = 400,
        dtype: Precision = "float32",
    ) -> None:  # fmt: skip
        self._kind: Any = require("turbovec", "turbovec", "the index 'turbovec'").TurboQuantIndex
        super().__init__(folder, dim, candidates, dtype, writable=writable)
        self._width = -(-dim // MULTIPLE) * MULTIPLE
        self._file = self.folder / FILE
        self._compressed: Any = self._loaded(bits)
        self.take_in()

    def taken_in(self) -> int:
        """See `ReRankedIndex.taken_in`."""
        return len(self._compressed)

    def take_in(self) -> None:
        """See `ReRankedIndex.take_in`."""
        for first in range(self.taken_in(), self.rows.count, PART_ROWS):
            row_N = np.arange(first, min(first + PART_ROWS, self.rows.count))
            self._compressed.add(self._padded(self.rows.read(row_N)))

    def find(self, query_QD: np.ndarray, count: int, alive_N: np.ndarray | None) -> np.ndarray:
        """See `ReRankedIndex.find`."""
        mask = {} if alive_N is None else {"mask": alive_N[: self.taken_in()]}
        _, found_QC = self._compressed.search(self._padded(query_QD), count, **mask)
        return np.asarray(found_QC, np.int64)

    def flush(self) -> None:
        """See `Index.flush`; what was added since the last time is appended to the file."""
        if self.writable:
            self._compressed.sync(str(self._file))

    def _loaded(self, bits: int) -> Any:
        """What is on the disk, if it is whole and of these rows; else an empty one, to be made from the rows."""
        empty = self._kind(dim=self._width, bit_width=bits)
        if not self._file.is_file():
            return empty
        try:
            found = self._kind.load(str(self._file))
        except Exception:  # the package raises what it likes for a file of another version; the rows are the truth
            return empty
        fits = found.dim == self._width and found.bit_width == bits and len(found) <= self.rows.count
        return found if fits else empty

    def _padded(self, vector_ND: np.ndarray) -> np.ndarray:
        if vector_ND.shape[1] == self._width:
            return np.ascontiguousarray(vector_ND, np.float32)
        return np.pad(vector_ND.astype(np.float32), ((0, 0), (0, self._width - vector_ND.shape[1])))
