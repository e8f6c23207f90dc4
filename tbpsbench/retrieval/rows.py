"""Vectors on disk, row by row: appended, marked as removed, read through a memory map.

    vectors.f32 (or .f16)   N x D numbers, little-endian
    ids.i64                 N ids; that of a removed row is stored as its bitwise complement, which is negative

A row is written and on the disk before its id is; whoever opens the files takes as many whole rows as there are whole
ids. So a killed writer leaves nothing that is half there.

Shapes: N rows, removed ones included, D width.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

import numpy as np

from tbpsbench.errors import DataError
from tbpsbench.files import storage_error

Precision = Literal["float32", "float16"]
_SUFFIX = {"float32": "f32", "float16": "f16"}
IDS = "ids.i64"
FEW = 1024  # rows that `read` takes from the file, at most


class Rows:
    """Rows of one width under ascending ids.

    Args:
        folder: exists.
        dim: width.
        dtype: what is stored; it is float32 again when it is read.
        writable: whether rows may be appended and removed, and what a killed writer left is cut off.

    Raises:
        DataError: if the files cannot be read.
        StorageError: if they cannot be made.
    """

    def __init__(self, folder: Path, dim: int, dtype: Precision = "float32", *, writable: bool = True) -> None:
        self.folder, self.dim, self.dtype, self.writable = folder, dim, np.dtype(dtype).newbyteorder("<"), writable
        self._vectors, self._ids = folder / f"vectors.{_SUFFIX[dtype]}", folder / IDS
        self._width = self.dim * self.dtype.itemsize
        if writable:
            self._cut()
        sizes = [path.stat().st_size if path.is_file() else 0 for path in (self._vectors, self._ids)]
        self._count = min(sizes[0] // self._width, sizes[1] // 8)
        kept_N = np.fromfile(self._ids, "<i8", self._count) if self._count else np.empty(0, np.int64)
        self._id_N = np.where(kept_N < 0, ~kept_N, kept_N)
        self._alive_N = kept_N >= 0
        self._map: np.ndarray | None = None
        if (np.diff(self._id_N) <= 0).any():
            raise DataError(f"{self._ids}: ids are not ascending: the file is damaged. Build the index again.")

    @property
    def count(self) -> int:
        """Rows, removed ones included."""
        return self._count

    @property
    def ids_by_row(self) -> np.ndarray:
        """Ids by row, removed ones included."""
        return self._id_N

    @property
    def alive(self) -> np.ndarray:
        """Which rows are there."""
        return self._alive_N

    @property
    def stored(self) -> np.ndarray:
        """All rows as they are stored, memory-mapped."""
        if self._map is None or len(self._map) != self._count:
            shape = (self._count, self.dim)
            # A private map, since torch would warn of one that cannot be written; and a plain array over it, since
            # slices of np.memmap cost as much as a small product.
            mapped = np.memmap(self._vectors, self.dtype, "c", shape=shape) if self._count else np.empty(shape)
            self._map = np.asarray(mapped, self.dtype)
        return self._map

    def ids(self) -> np.ndarray:
        """Ids that are there."""
        return self._id_N[self._alive_N]

    def rows_of(self, id_N: np.ndarray) -> np.ndarray:
        """Row of each id.

        Raises:
            DataError: if one is not there; names it.
        """
        id_N = np.asarray(id_N, np.int64)
        row_N = np.searchsorted(self._id_N, id_N)
        inside_N = row_N < self._count
        found_N = inside_N.copy()
        found_N[inside_N] = (self._id_N[row_N[inside_N]] == id_N[inside_N]) & self._alive_N[row_N[inside_N]]
        if not found_N.all():
            raise DataError(f"{self.folder}: holds no item {id_N[~found_N][0]}")
        return row_N

    def read(self, row_N: np.ndarray) -> np.ndarray:
        """(N, D) float32 of these rows.

        Few rows are read from the file: through the map, each would bring its neighbours into memory with it.
        """
        if len(row_N) > FEW:
            return self.stored[row_N].astype(np.float32)
        found_ND = np.empty((len(row_N), self.dim), self.dtype)
        if len(row_N):
            into, width = found_ND.data.cast("B"), self._width
            with self._vectors.open("rb", buffering=0) as stream:
                file = stream.fileno()
                for place, row in enumerate(np.asarray(row_N).tolist()):
                    into[place * width : (place + 1) * width] = os.pread(file, width, row * width)
        return found_ND.astype(np.float32, copy=False)

    def append(self, id_N: np.ndarray, vector_ND: np.ndarray) -> None:
        """Add rows; they are on the disk when this returns.

        Raises:
            DataError: if an id is not larger than those before.
            StorageError: if the disk is full; what was there before stays.
        """
        if not len(id_N):
            return
        if self._count and id_N[0] <= self._id_N[-1]:
            raise DataError(f"item {id_N[0]} is not larger than {self._id_N[-1]}, the last id so far")
        append_at(self._vectors, self._count * self._width, vector_ND.astype(self.dtype).tobytes())
        append_at(self._ids, self._count * 8, id_N.astype("<i8").tobytes())
        self._id_N = np.concatenate([self._id_N, id_N])
        self._alive_N = np.concatenate([self._alive_N, np.ones(len(id_N), bool)])
        self._count += len(id_N)

    def remove(self, id_N: np.ndarray) -> np.ndarray:
        """Mark ids as removed; those that are not there are passed over. Returns their rows.

        Without `writable` only this process forgets them.
        """
        row_N = np.flatnonzero(np.isin(self._id_N, id_N) & self._alive_N)
        if not len(row_N):
            return row_N
        alive_N = self._alive_N.copy()  # threads that are searching keep the old one
        alive_N[row_N] = False
        self._alive_N = alive_N
        if self.writable:
            try:
                with self._ids.open("r+b") as stream:
                    for row in row_N:
                        os.pwrite(stream.fileno(), np.int64(~self._id_N[row]).astype("<i8").tobytes(), int(row) * 8)
                    os.fsync(stream.fileno())
            except OSError as error:
                raise storage_error(self._ids, error) from error
        return row_N

    def _cut(self) -> None:
        """Drop what a killed writer has left behind the last whole row."""
        try:
            for path in (self._vectors, self._ids):
                path.touch()
            count = min(self._vectors.stat().st_size // self._width, self._ids.stat().st_size // 8)
            for path, width in ((self._vectors, self._width), (self._ids, 8)):
                if path.stat().st_size > count * width:
                    os.truncate(path, count * width)
        except OSError as error:
            raise storage_error(self.folder, error) from error


def append_at(path: Path, at: int, content: bytes) -> None:
    """Write `at` bytes from the beginning, over whatever an interrupted writer has left there; wait for the disk.

    Raises:
        StorageError: if it cannot be written.
    """
    try:
        with path.open("r+b" if path.exists() else "w+b") as stream:
            stream.seek(at)
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
    except OSError as error:
        raise storage_error(path, error) from error
