"""NumPy's files from strangers: what they promise, looked at before anything is unpacked.

Nothing is unpickled, and no array is read before its header is known to tell the truth about its size.
"""

from __future__ import annotations

import math
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np
from numpy.lib import format as npy

from tbpsbench.errors import DataError
from tbpsbench.reading import shown

HEADERS = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}
REFUSALS = (OSError, ValueError, KeyError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error)


@dataclass(frozen=True)
class Promise:
    """What the header of an array says.

    Attributes:
        shape, dtype: of the array.
        column_major: whether it lies in memory column by column.
        start: where its numbers begin in the file or member.
    """

    shape: tuple[int, ...]
    dtype: np.dtype
    column_major: bool
    start: int

    @property
    def count(self) -> int:
        """How many numbers it holds."""
        return math.prod(self.shape)


def read_arrays(
    path: Path, accept: Callable[[dict[str, Promise]], Iterable[str]], *, damaged: str, strange: str
) -> dict[str, np.ndarray]:
    """The arrays of an npz file that are asked for.

    Args:
        path: of the file.
        accept: sees what the headers promise, by name, before anything is unpacked; says which arrays to read, or
            raises what it will.
        damaged: what to do about a file that is not whole.
        strange: what to do about one that nobody could have written by `np.savez`.

    Raises:
        DataError: if the file is damaged, two arrays have one name, one holds objects or is not as long as it says.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            if len({member.filename.removesuffix(".npy") for member in members}) != len(members):
                raise DataError(f"{shown(path)}: holds two arrays of one name. {damaged}")
            promised = {
                member.filename.removesuffix(".npy"): _member(archive, member, path, damaged, strange)
                for member in members
            }
        wanted = accept(promised)
        with np.load(path, allow_pickle=False) as arrays:
            return {name: arrays[name] for name in wanted}
    except REFUSALS as error:
        raise _not_whole(path, "npz", error, damaged) from error


@contextmanager
def opened_array(path: Path, *, damaged: str, strange: str) -> Iterator[tuple[Promise, IO[bytes]]]:
    """An npy file, its header read and its stream at the first number, to be read part by part.

    Raises:
        DataError: if there is no such file, it holds objects or is not as long as its header says.
    """
    try:
        with path.open("rb") as stream:
            found = _promise(stream, path.stat().st_size, shown(path), damaged, strange)
            yield found, stream
    except FileNotFoundError:
        raise DataError(f"{shown(path)}: no such file") from None
    except REFUSALS as error:
        raise _not_whole(path, "npy", error, damaged) from error


def _not_whole(path: Path, kind: str, error: Exception, damaged: str) -> DataError:
    return DataError(
        f"{shown(path)}: not a whole {kind} file ({type(error).__name__}: {ascii(str(error))[1:-1]}). {damaged}"
    )


def _member(archive: zipfile.ZipFile, member: zipfile.ZipInfo, path: Path, damaged: str, strange: str) -> Promise:
    name = f"{shown(path)}: {shown(member.filename)}"
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise DataError(f"{name} is packed in a way that numpy does not use. {damaged}")
    with archive.open(member) as stream:
        return _promise(stream, member.file_size, name, damaged, strange)


def _promise(stream: IO[bytes], size: int, name: str, damaged: str, strange: str) -> Promise:
    """A header; one that promises more than there is would make numpy allocate it first."""
    try:
        read = HEADERS[npy.read_magic(stream)]
        shape, column_major, dtype = read(stream)
    except zlib.error:
        raise
    except Exception as error:  # a header is a Python literal, which numpy fails to understand in many ways
        raise DataError(f"{name} has a damaged header ({type(error).__name__}). {damaged}") from error
    if any(isinstance(length, bool) or length < 0 for length in shape):
        raise DataError(f"{name} has a damaged header (shape {shape}). {damaged}")
    if dtype.hasobject:
        raise DataError(f"{name} holds Python objects, which reading would execute. {strange}")
    found = Promise(shape, dtype, column_major, stream.tell())
    if found.count * dtype.itemsize != size - found.start:
        raise DataError(f"{name} is not as long as its header says. {damaged}")
    return found
