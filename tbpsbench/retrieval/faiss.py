"""What FAISS' indexes have in common: a compressed copy of the vectors in memory finds candidates.

The exact rows, which rank them, stay on the disk. Removed rows are hidden from the search.

Shapes: Q queries, C candidates, N rows, D width.
"""

from __future__ import annotations

import zlib
from abc import abstractmethod
from pathlib import Path
from typing import Any

import numpy as np

from tbpsbench.files import atomic_write
from tbpsbench.parts import require
from tbpsbench.retrieval.local import ReRankedIndex
from tbpsbench.retrieval.rows import Precision

PART_ROWS = 65536
# The file is written anew when it lacks this share of the rows; the rest is taken in again when the index is opened.
LAG = 0.1
SEED = 0
# Behind what FAISS writes stand a word and a check sum; FAISS itself notices damage to the head of its file alone.
# Files of older versions end without them.
WORD, SUM_BYTES = b"tbpsbench", 4


class FaissIndex(ReRankedIndex):
    """Base: how one of FAISS' indexes is filled, kept in a file and searched.

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

    def settings(self, shown: Any) -> Any:  # noqa: ARG002
        """Search parameters of FAISS that find what the selector `shown` names (None: everything).

        By default None: FAISS cannot leave rows out of the search, so more are asked for until enough are left.
        """
        return None

    def fits(self, found: Any) -> bool:
        """Whether what a file holds is of these rows, and as this index is set."""
        return bool(found.d == self.dim and found.ntotal <= self.rows.count)

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
        selector, asked = None, count
        if alive_N is not None:
            bits = np.packbits(alive_N[: self.taken_in()], bitorder="little")
            selector = self._faiss.IDSelectorBitmap(bits)
        settings = self.settings(selector)
        while True:
            _, found_QC = self._made.search(query_QD, asked, params=settings)
            if alive_N is None or settings is not None or asked >= self.taken_in():
                break
            if (np.count_nonzero(alive_N[found_QC] & (found_QC >= 0), axis=1) >= count).all():
                break
            asked = min(2 * asked, self.taken_in())
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
                content = self._faiss.serialize_index(self._made)
                stream.write(content)
                stream.write(_seal(content))
            self._written = self.taken_in()

    def _loaded(self) -> Any:
        """What the file holds; None if there is none, or it is damaged or of other rows: it will be made again."""
        if not self._file.is_file():
            return None
        try:
            content = np.fromfile(self._file, np.uint8)
            end = len(content) - len(WORD) - SUM_BYTES
            if content[max(0, end) :][: len(WORD)].tobytes() == WORD:
                content, seal = content[:end], content[end:].tobytes()
                if seal != _seal(content):
                    return None
            found = self._faiss.deserialize_index(content)
        except Exception:  # FAISS raises RuntimeError and others for a file that it cannot read
            return None
        return found if self.fits(found) else None


def _seal(content: np.ndarray) -> bytes:
    return WORD + zlib.crc32(content.data).to_bytes(SUM_BYTES, "little")
