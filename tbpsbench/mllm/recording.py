"""Sessions as JSON Lines: every request with its reply, or why it failed; people read them, and `Replay` plays them."""

from __future__ import annotations

import errno
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from tbpsbench.errors import DataError
from tbpsbench.files import storage_error
from tbpsbench.mllm.base import MLLMClient
from tbpsbench.mllm.errors import ItemError
from tbpsbench.mllm.messages import Reply, Request
from tbpsbench.mllm.wrapped import Wrapped

# How every line of ours begins, and what a killed process may leave of that.
BEGINNING = '{"key": "'
_BEGUN = re.compile(rb'\{"key": "(?:[0-9a-f]{0,64}|[0-9a-f]{64}"(?:,.*)?)', re.DOTALL)


class Recorded(Wrapped):
    """A client that writes down what is asked and said; pictures by their hashes.

    Args:
        inner: whom it asks.
        path: of the file, which grows; a torn last line of a killed process is taken off.

    Raises:
        StorageError: if it cannot be written.
        DataError: if the file is there and no recording; it stays as it is.
    """

    def __init__(self, inner: MLLMClient, path: str | Path) -> None:
        super().__init__(inner)
        self.path = Path(path)
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._known, self._failed = _taken_up(self.path)
            self._file: IO[bytes] = self.path.open("ab", buffering=0)
        except OSError as error:
            raise storage_error(self.path, error) from error

    async def ask(self, request: Request) -> Reply:
        try:
            reply = await self.inner.ask(request)
        except ItemError as error:
            if request.key(self.name) not in self._known | self._failed:
                self._write(request, "failed", {"reason": error.reason, "detail": error.detail})
                self._failed.add(request.key(self.name))
            raise
        if request.key(self.name) not in self._known:
            self._write(request, "reply", reply.plain())
            self._known.add(request.key(self.name))
        return reply

    def _write(self, request: Request, what: str, outcome: dict[str, Any]) -> None:
        line = {"key": request.key(self.name), "model": self.name, "request": request.plain(), what: outcome}
        data = (json.dumps(line, ensure_ascii=False, default=dict) + "\n").encode()
        try:
            if self._file.write(data) < len(data):
                raise OSError(errno.ENOSPC, "no space left")
        except OSError as error:
            raise storage_error(self.path, error) from error

    async def close(self) -> None:
        """Close the client and the file."""
        await super().close()
        self._file.close()


def read_recording(path: str | Path) -> Iterator[dict[str, Any]]:
    """The lines of a recording, a torn last one left out: `reply` is a Reply, or an ItemError for what failed.

    Raises:
        DataError: if the file is missing or damaged.
    """
    try:
        raw = Path(path).read_bytes()
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from error
    yield from _lines(raw, path)


def _lines(raw: bytes, path: str | Path) -> Iterator[dict[str, Any]]:
    for number, line in enumerate(raw.split(b"\n")[:-1], 1):
        try:
            found = json.loads(line)
            yield {**found, "reply": _outcome(found), "key": str(found["key"])}
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            raise DataError(
                f"{path}:{number}: is no line of a recording ({error}). Name another file, or delete the line if the "
                "others are."
            ) from error


def _outcome(line: dict[str, Any]) -> Reply | ItemError:
    if "failed" in line:
        return ItemError(str(line["failed"]["reason"]), str(line["failed"]["detail"]))
    return Reply.of(line["reply"], cached=True, calls=0)


def _taken_up(path: Path) -> tuple[set[str], set[str]]:
    """The keys of a recording, of replies and of failures.

    What a killed process left of its last line is cut off once the rest is found sound.

    Raises:
        DataError: if the file is no recording; nothing was changed then.
        OSError: if it cannot be read or cut.
    """
    if not path.exists():
        return set(), set()
    raw = path.read_bytes()
    lines = list(_lines(raw, path))
    known = {line["key"] for line in lines if isinstance(line["reply"], Reply)}
    keys = known, {line["key"] for line in lines} - known
    whole = raw.rfind(b"\n") + 1
    if whole == len(raw):
        return keys
    torn = raw[whole:]
    if not lines and not BEGINNING.encode().startswith(torn) and not _BEGUN.fullmatch(torn):
        raise DataError(f"{path}: is no recording, and would be written over. Name another file.")
    with path.open("rb+") as stream:
        stream.truncate(whole)
    return keys
