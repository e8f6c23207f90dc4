"""Sessions as JSON Lines: every request with its reply, to be read by people and played by `Replay`."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from tbpsbench.errors import DataError
from tbpsbench.files import storage_error
from tbpsbench.mllm.base import MLLMClient
from tbpsbench.mllm.messages import Reply, Request
from tbpsbench.mllm.wrapped import Wrapped


class Recorded(Wrapped):
    """A client that writes down what is asked and said; pictures by their hashes.

    Args:
        inner: whom it asks.
        path: of the file, which grows; a torn last line of a killed process is taken off.

    Raises:
        StorageError: if it cannot be written.
    """

    def __init__(self, inner: MLLMClient, path: str | Path) -> None:
        super().__init__(inner)
        self.path, self._known = Path(path), set[str]()
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            _mend(self.path)
            self._known = {line["key"] for line in read_recording(self.path)} if self.path.exists() else set()
            self._file: IO[bytes] = self.path.open("ab", buffering=0)
        except OSError as error:
            raise storage_error(self.path, error) from error

    async def ask(self, request: Request) -> Reply:
        reply, key = await self.inner.ask(request), request.key(self.name)
        if key not in self._known:
            line = {"key": key, "model": self.name, "request": request.plain(), "reply": reply.plain()}
            data = (json.dumps(line, ensure_ascii=False, default=dict) + "\n").encode()
            try:
                if self._file.write(data) < len(data):
                    raise OSError(errno.ENOSPC, "no space left")
            except OSError as error:
                raise storage_error(self.path, error) from error
            self._known.add(key)
        return reply

    async def close(self) -> None:
        """Close the client and the file."""
        await super().close()
        self._file.close()


def read_recording(path: str | Path) -> Iterator[dict[str, Any]]:
    """The lines of a recording, a torn last one left out.

    Raises:
        DataError: if the file is missing or damaged.
    """
    try:
        raw = Path(path).read_bytes()
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from error
    for number, line in enumerate(raw.split(b"\n")[:-1], 1):
        try:
            found = json.loads(line)
            yield {**found, "reply": Reply.of(found["reply"], cached=True, calls=0), "key": str(found["key"])}
        except (ValueError, TypeError, KeyError) as error:
            raise DataError(f"{path}:{number}: is no line of a recording ({error})") from error


def _mend(path: Path) -> None:
    """Cut off what a killed process left of its last line."""
    if not path.exists():
        return
    with path.open("rb+") as stream:
        end = stream.seek(0, os.SEEK_END)
        kept = end
        while kept > 0:
            start = max(0, kept - 65_536)
            stream.seek(start)
            found = stream.read(kept - start).rfind(b"\n")
            if found >= 0:
                kept = start + found + 1
                break
            kept = start
        if kept < end:
            stream.truncate(kept)
