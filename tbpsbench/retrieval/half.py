"""One query over rows of half the bytes: what is certainly not among the best is found out, the rest is scored exactly.

A search for one query costs what it costs to read the rows. A copy in float16 is half of that, and how far a product of
rounded numbers can be from the true one is known: with eps for the most, nothing whose rounded score is more than 2 eps
below the k-th best rounded score can be among the k best. What is left, a few dozen rows as a rule, is scored from the
float32 rows, so the result is the exact one.

Shapes: N rows, C candidates, D width.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np

from tbpsbench.retrieval.best import Best
from tbpsbench.retrieval.finite import all_finite
from tbpsbench.retrieval.rows import Rows, append_at

FILE = "vectors.scan.f16"
# Rows must not be longer than this (a system's have length 1): their rounded products stay within `furthest`.
LONGEST = 1.001
FIRST, STEP, PART_ROWS = 4096, 1 << 16, 1 << 16


def furthest(dim: int, length: float) -> float:
    """Bound on |rounded - exact| of a product of a row with a query of some length.

    Rows, query and result are each rounded to 11 bits (relative error 2^-11 at most; absolute 2^-25 for the smallest
    numbers); sums are taken in float32.
    """
    relative = 3 * 2.0**-11 * (1 + 2.0**-11) ** 2 + dim * 2.0**-23
    return LONGEST * length * relative + 2 * 2.0**-25 * (1 + length) * dim**0.5 + 2.0**-24


class HalfScan:
    """Finds the rows that can be among the best of one query.

    Args:
        rows: of float32, of which a copy is kept beside them; or of float16, which are their own copy.

    Raises:
        StorageError: if the copy cannot be written.
    """

    def __init__(self, rows: Rows) -> None:
        self._rows, self._file = rows, rows.folder / FILE
        self._is_copy = rows.dtype.itemsize != 2
        self._map: np.ndarray | None = None
        self.follow()

    def follow(self) -> None:
        """Bring the copy up to the rows. A row that is too long ends the copy for good: it stays behind the rows."""
        if not self._is_copy or not self._rows.writable:
            return
        for first in range(self._copied(), self._rows.count, PART_ROWS):
            part_ND = self._rows.stored[first : first + PART_ROWS]
            if np.linalg.norm(part_ND, axis=1).max() > LONGEST:
                break
            append_at(self._file, first * self._rows.dim * 2, part_ND.astype("<f2").tobytes())

    def candidates(self, query_D: np.ndarray, k: int, alive_N: np.ndarray) -> np.ndarray | None:
        """(C,) rows, ascending, among which the k best of the rows that are there certainly are.

        None if that cannot be told this way, or would not be worth it.
        """
        length = float(np.linalg.norm(query_D))
        if not is_sound() or length > 1e3 or not self._covers(len(alive_N)):
            return None
        import torch

        with torch.inference_mode():
            rough_N = (torch.from_numpy(self._mapped(len(alive_N))) @ torch.from_numpy(query_D).half()).float().numpy()
        if not all_finite(rough_N) and not np.isfinite(rough_N[alive_N]).all():
            return None  # damaged; the scan finds out whether the rows themselves are
        if not alive_N.all():
            rough_N[~alive_N] = -np.inf
        best = Best(1, k)
        best.offer(rough_N[None, :FIRST], 0)  # few, to have a floor for the many
        for first in range(FIRST, len(rough_N), STEP):
            best.offer(rough_N[None, first : first + STEP], first)
        floor = best.taken()[0][0, -1] - 2 * furthest(self._rows.dim, length)
        row_C = np.flatnonzero(rough_N >= floor)
        return row_C if len(row_C) <= max(4 * k, len(rough_N) // 16) else None

    def _covers(self, count: int) -> bool:
        if self._is_copy:
            return count <= self._copied()
        return count <= self._rows.count and self._short_enough(count)

    @cache  # noqa: B019 - one HalfScan lives as long as its index
    def _short_enough(self, count: int) -> bool:
        """Whether rows that are their own copy are no longer than they may be; one pass when rows were added."""
        parts = (self._rows.stored[first : first + PART_ROWS] for first in range(0, count, PART_ROWS))
        return all(np.linalg.norm(part_ND.astype(np.float32), axis=1).max() <= LONGEST for part_ND in parts)

    def _copied(self) -> int:
        """Rows in the copy."""
        return min(_size(self._file) // (self._rows.dim * 2), self._rows.count)

    def _mapped(self, count: int) -> np.ndarray:
        if not self._is_copy:
            return self._rows.stored[:count]
        if self._map is None or len(self._map) < count:
            # Private, since torch would warn of a map that cannot be written.
            self._map = np.asarray(np.memmap(self._file, "<f2", "c", shape=(count, self._rows.dim)))
        return self._map[:count]


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


@cache
def is_sound() -> bool:
    """Whether this torch multiplies float16 within the bound: sums in float32, result rounded once."""
    import torch

    generator = np.random.default_rng(0)
    for dim in (64, 520, 2048):
        row_ND = np.abs(generator.normal(size=(64, dim))).astype(np.float32)  # of one sign: sums are as large as can be
        row_ND /= np.linalg.norm(row_ND, axis=1, keepdims=True)
        rough_N = (torch.from_numpy(row_ND).half() @ torch.from_numpy(row_ND[0]).half()).float().numpy()
        if np.abs(rough_N - row_ND @ row_ND[0]).max() > furthest(dim, 1.0):
            return False
    return True
