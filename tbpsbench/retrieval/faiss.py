"""FAISS' graph (HNSW) and compressed lists (IVF-PQ), their candidates re-ranked exactly.

Both are for galleries of which a scan is too slow. They hold a copy of the vectors, of one byte a number (HNSW) or of
`dim / code_bytes` numbers a byte (IVF-PQ); the exact rows stay on the disk. Removed rows are hidden from the search.

Shapes: Q queries, C candidates, N rows, D width.
"""

from __future__ import annotations

from abc import abstractmethod
from pathlib import Path
from typing import Any

import numpy as np

from tbpsbench.files import atomic_write
from tbpsbench.registry import INDEXES
from tbpsbench.retrieval.extras import require
from tbpsbench.retrieval.local import ReRankedIndex
from tbpsbench.retrieval.rows import Precision

PART_ROWS = 65536
# The file is written anew when it lacks this share of the rows; the rest is taken in again when the index is opened.
LAG = 0.1
SEED = 0


class FaissIndex(ReRankedIndex):
    """Base of the two: how one of FAISS' indexes is filled, kept in a file and searched.

    Args:
        folder, dim, candidates, dtype, writable: as `ReRankedIndex`.
        file: its name in the folder.
        training: rows that FAISS must have seen before it takes any in; fewer are scanned exactly.
    """

    def __init__(
        self, folder: str | Path, dim: int, candidates: int, dtype: Precision, file: str, training: int,
        *, writable: bool,
    ) -> None:  # fmt: skip
        self._faiss = require("faiss", "faiss", f"the index {type(self).__name__}")
        super().__init__(folder, dim, candidates, dtype, writable=writable)
        self._file, self._training = self.folder / file, training
        self._made: Any = self._loaded()
        self._written = 0 if self._made is None else int(self._made.ntotal)
        self.take_in()

    @abstractmethod
    def make(self, sample_ND: np.ndarray) -> Any:
        """An empty index of FAISS, trained on a sample of the rows where it must be."""

    @abstractmethod
    def settings(self, hidden: Any) -> Any:
        """Search parameters of FAISS that leave out what the selector `hidden` (or None) does not name."""

    def taken_in(self) -> int:
        """See `ReRankedIndex.taken_in`."""
        return 0 if self._made is None else int(self._made.ntotal)

    def take_in(self) -> None:
        """See `ReRankedIndex.take_in`."""
        count = self.rows.count
        if self._made is None:
            if count < self._training:
                return
            chosen_N = np.random.default_rng(SEED).choice(count, min(count, 4 * self._training), replace=False)
            self._made = self.make(self.rows.read(np.sort(chosen_N)))
        for first in range(self.taken_in(), count, PART_ROWS):
            self._made.add(self.rows.read(np.arange(first, min(first + PART_ROWS, count))))

    def find(self, query_QD: np.ndarray, count: int, alive_N: np.ndarray | None) -> np.ndarray:
        """See `ReRankedIndex.find`."""
        selector = None
        if alive_N is not None:
            bits = np.packbits(alive_N[: self.taken_in()], bitorder="little")
            selector = self._faiss.IDSelectorBitmap(bits)
        _, found_QC = self._made.search(query_QD, count, params=self.settings(selector))
        return np.asarray(found_QC, np.int64)

    def flush(self) -> None:
        """See `Index.flush`: the rows are on the disk already; FAISS' file follows when it lags far behind."""
        if self.taken_in() - self._written > LAG * self.taken_in():
            self._write()

    def close(self) -> None:
        """See `Index.close`."""
        if self.taken_in() > self._written:
            self._write()

    def about(self) -> dict[str, Any]:
        """See `Index.about`."""
        return {**super().about(), "trained": self._made is not None}

    def _write(self) -> None:
        if self.writable:
            with atomic_write(self._file) as stream:
                stream.write(self._faiss.serialize_index(self._made).tobytes())
            self._written = self.taken_in()

    def _loaded(self) -> Any:
        """What the file holds; None if there is none, or it is damaged or of other rows: it will be made again."""
        if not self._file.is_file():
            return None
        try:
            found = self._faiss.deserialize_index(np.fromfile(self._file, np.uint8))
        except Exception:  # FAISS raises RuntimeError and others for a file that it cannot read
            return None
        return found if found.d == self.dim and found.ntotal <= self.rows.count else None


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

    def settings(self, hidden: Any) -> Any:
        """See `FaissIndex.settings`."""
        return self._faiss.SearchParametersHNSW(efSearch=max(self._graph[2], self.candidates), sel=hidden)


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

    def settings(self, hidden: Any) -> Any:
        """See `FaissIndex.settings`."""
        return self._faiss.SearchParametersIVF(nprobe=self._probes, sel=hidden)
