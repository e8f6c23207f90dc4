"""A file of committed lines: what is in it has happened, what is not has not.

Each line is the CRC-32 of the rest in eight hexadecimal digits, a blank, and one JSON object. A line counts once it is
whole; half of a line at the end is what a killed writer has left, and the next writer cuts it off.
"""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tbpsbench.errors import DataError
from tbpsbench.files import storage_error


class Journal:
    """Reads what was committed, and commits more.

    Args:
        path: the file; it is made by the first `commit`.
    """

    def __init__(self, path: Path) -> None:
        self.path, self._end = path, 0

    def read(self) -> list[dict[str, Any]]:
        """Everything that was committed since the last `read`.

        Raises:
            DataError: if a line that is not the last is damaged; names it.
        """
        try:
            with self.path.open("rb") as stream:
                stream.seek(self._end)
                content = stream.read()
        except FileNotFoundError:
            return []
        except OSError as error:
            raise DataError(f"{self.path}: cannot be read ({error.strerror})") from error
        found = []
        lines = content.split(b"\n")
        for position, line in enumerate(lines[:-1]):
            entry = _entry(line)
            if entry is None:
                if position == len(lines) - 2 and not lines[-1]:
                    break  # the blocks of the last line reached the disk in another order
                raise DataError(
                    f"{self.path}: the line at byte {self._end} is damaged. Build the index again, in another folder."
                )
            found.append(entry)
            self._end += len(line) + 1
        return found

    def commit(self, entry: Mapping[str, Any]) -> None:
        """Add an entry behind the last whole line; it has happened when this returns.

        Raises:
            StorageError: if it cannot be written; then it has not happened.
        """
        text = json.dumps(entry, separators=(",", ":"), allow_nan=False).encode("ascii")
        line = b"%08x %s\n" % (zlib.crc32(text), text)
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


def _entry(line: bytes) -> dict[str, Any] | None:
    """What a line says; None if it is damaged."""
    try:
        crc, text = int(line[:8], 16), line[9:]
        found = json.loads(text) if zlib.crc32(text) == crc and line[8:9] == b" " else None
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None
