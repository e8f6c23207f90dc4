"""A file of committed lines: what is in it has happened, what is not has not.

Each line is the CRC-32 of the rest in eight hexadecimal digits, a blank, and one JSON object. A line counts once it is
whole; half of a line at the end is what a killed writer has left, and the next writer cuts it off.

Beside it lies `NAME.end`, one such line, which says up to which byte lines were committed at least. It is written after
each commit, so a kill may leave it behind by a line, never ahead: what is missing or damaged before it was there once.
"""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from tbpsbench.errors import DataError
from tbpsbench.files import atomic_write, storage_error

AGAIN = "Build the index again, in another folder."
# What a disk writes whole, in bytes, at least.
BLOCK = 512


class Journal:
    """Reads what was committed, and commits more.

    Args:
        path: the file; it is made by the first `commit`.
    """

    def __init__(self, path: Path) -> None:
        self.path, self._end = path, 0
        self._mark = path.with_name(f"{path.name}.end")

    def read(self) -> list[dict[str, Any]]:
        """Everything that was committed since the last `read`.

        Raises:
            DataError: if a line is damaged, or lines are missing that were committed; names the byte.
        """
        least = self._marked()  # before the lines, which another process may be adding to
        try:
            with self.path.open("rb") as stream:
                stream.seek(self._end)
                content = stream.read()
        except FileNotFoundError:
            content = b""
        except OSError as error:
            raise DataError(f"{self.path}: cannot be read ({error.strerror})") from error
        found = []
        *lines, rest = content.split(b"\n")
        for position, line in enumerate(lines):
            entry = _entry(line)
            if entry is None:
                last = position == len(lines) - 1 and not rest
                if last and self._end >= least and _is_torn(line, self._end):
                    break
                raise DataError(f"{self.path}: the line at byte {self._end} is damaged. {AGAIN}")
            found.append(entry)
            self._end += len(line) + 1
        if _entry(rest[:-1]) is not None:  # whole, with something else in the place of its end
            raise DataError(f"{self.path}: the line at byte {self._end} is damaged. {AGAIN}")
        if self._end < least:
            raise DataError(
                f"{self.path}: ends at byte {self._end}, but {least} bytes were committed: it is damaged. {AGAIN}"
            )
        return found

    def is_begun(self) -> bool:
        """Whether `begin` was called for this file, by whatever process."""
        return self._mark.is_file()

    def begin(self) -> None:
        """Let lost lines be noticed from now on, the first one included. To be called before anything is committed.

        Raises:
            StorageError: if that cannot be written down.
        """
        if self._marked() < self._end or not self.is_begun():
            with atomic_write(self._mark) as stream:
                stream.write(self._marking())

    def commit(self, entry: Mapping[str, Any]) -> None:
        """Add an entry behind the last whole line; it has happened when this returns.

        Raises:
            StorageError: if it cannot be written; then it has not happened.
        """
        line = _line(json.dumps(entry, separators=(",", ":"), allow_nan=False))
        try:
            descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o666)
            try:
                os.ftruncate(descriptor, self._end)
                written = 0
                while written < len(line):
                    written += os.pwrite(descriptor, line[written:], self._end + written)
                os.fsync(descriptor)
            except OSError:
                os.ftruncate(descriptor, self._end)
                raise
            finally:
                os.close(descriptor)
        except OSError as error:
            raise storage_error(self.path, error) from error
        self._end += len(line)
        # In its place, all of one length, and without waiting for the disk: an older one does no harm, half of one is
        # told by its CRC.
        with suppress(OSError), self._mark.open("r+b", buffering=0) as stream:
            stream.write(self._marking())

    def _marking(self) -> bytes:
        return _line(f'{{"end":{self._end:20d}}}')

    def _marked(self) -> int:
        """Up to which byte lines were committed at least; 0 where nothing is known."""
        try:
            entry = _entry(self._mark.read_bytes().rstrip(b"\n"))
        except OSError:
            return 0
        end = entry.get("end") if entry else None
        return end if isinstance(end, int) else 0


def _line(text: str) -> bytes:
    content = text.encode("ascii")
    return b"%08x %s\n" % (zlib.crc32(content), content)


def _entry(line: bytes) -> dict[str, Any] | None:
    """What a line says; None if it is damaged."""
    try:
        crc, text = int(line[:8], 16), line[9:]
        found = json.loads(text) if zlib.crc32(text) == crc and line[8:9] == b" " else None
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _is_torn(line: bytes, start: int) -> bool:
    """Whether blocks of a line may have reached the disk after its end, and not have got there: they are all zeros.

    No other damage can come from a machine that went down; it came to a line that had happened.
    """
    ends = range(BLOCK - start % BLOCK, len(line) + 1, BLOCK)
    return any(not any(line[max(0, end - BLOCK) : end]) for end in ends)
