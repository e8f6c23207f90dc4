"""Where generated captions are kept while they are made: a file that only grows, which a killed run goes on with.

    FOLDER/records-0of1.jsonl   one line per captioned image, with everything that it was made from
    FOLDER/failed-0of1.jsonl    one line per image that could not be captioned, with the reason
    FOLDER/.records-0of1.lock   held by the one process that writes this shard
    FOLDER/manifest.json        prompts, models, decoding, split (manifest.py)

A line is written with one call and counts once its end is there. What a killed process left behind without an end is
cut off by the next one; such an image was never done. A line that is whole and no record is damage, and refused.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tbpsbench.errors import DataError, StorageError
from tbpsbench.files import storage_error
from tbpsbench.locking import Lock, exclusive, is_held
from tbpsbench.reading import parse_json, read_bytes, shown

SCHEMA = 1
SYNC_SECONDS = 5.0  # what a power failure may lose; a killed process loses nothing
KEY = "image_id"


class Appended:
    """A JSON Lines file that is appended to, one line at a time, whole or not at all.

    Args:
        path: made if it is not there.

    Raises:
        StorageError: if it cannot be opened for writing.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._descriptor = os.open(path, os.O_CREAT | os.O_RDWR | os.O_APPEND, 0o666)
            self.cut_off = _cut_torn_line(self._descriptor)
        except OSError as error:
            raise storage_error(path, error) from error
        self._synced = time.monotonic()

    def append(self, line: Mapping[str, Any]) -> None:
        """Write one line.

        Raises:
            StorageError: if the disk is full, or the like; nothing of the line stays.
        """
        data = json.dumps(line, ensure_ascii=False, sort_keys=True, allow_nan=False).encode() + b"\n"
        size = os.fstat(self._descriptor).st_size
        try:
            while data:  # a write that was cut short is followed by one that says why
                data = data[os.write(self._descriptor, data) :]
            if time.monotonic() - self._synced > SYNC_SECONDS:
                self.sync()
        except OSError as error:
            os.ftruncate(self._descriptor, size)
            raise storage_error(self.path, error) from error

    def sync(self) -> None:
        """Bring to the disk what was written."""
        os.fsync(self._descriptor)
        self._synced = time.monotonic()

    def close(self) -> None:
        """Sync and close; may be called twice."""
        if self._descriptor >= 0:
            try:
                self.sync()
            except OSError as error:
                raise storage_error(self.path, error) from error
            finally:
                os.close(self._descriptor)
                self._descriptor = -1


class Store:
    """The captions and failures of one run, or of one of its shards.

    Attributes:
        done: images that have a record, of every shard.
        pictures: those that had one when the store was opened -> hash of the picture, and when the record was made.

    Args:
        folder: of the run.
        shard: (number, count) of this process' share of the images.

    Raises:
        StorageError: if the folder cannot be written, or another process writes this shard.
        DataError: if a file holds what is no record.
    """

    def __init__(self, folder: str | Path, shard: tuple[int, int] = (0, 1)) -> None:
        self.folder = Path(folder)
        name = f"{shard[0]}of{shard[1]}"
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise storage_error(self.folder, error) from error
        self._lock = Lock(self.folder / f".records-{name}.lock")
        if not self._lock.acquire(patience=0.0):
            raise StorageError(
                f"{self.folder}: another process writes the shard {name}{self._lock.holder()}. Wait for it, stop it, "
                "or take another shard or folder."
            )
        try:
            self._require_alone(shard[1])
            self._records = Appended(self.folder / f"records-{name}.jsonl")
            self._failed = Appended(self.folder / f"failed-{name}.jsonl")
            self.pictures = {r[KEY]: (r.get("image_sha256"), r.get("created")) for r in self.records()}
            self.done = set(self.pictures)
            self.failed = {line[KEY]: line for line in self.failures() if line[KEY] not in self.done}
        except BaseException:
            self._lock.release()
            raise

    def _require_alone(self, count: int) -> None:
        """Images are shared out by the number of shares: who shares them out otherwise would caption some of ours."""
        others = self.folder.glob(".records-*of*.lock")
        with exclusive(self.folder / ".shares.lock"):  # who tests a lock holds it for a moment
            held = [p for p in sorted(others) if not p.name.endswith(f"of{count}.lock") and is_held(p)]
        if held:
            shard = held[0].name.removeprefix(".records-").removesuffix(".lock")
            raise StorageError(
                f"{self.folder}: another process captions the shard {shard}, this one would be one of {count}: both "
                "would caption the same images. Wait for it or stop it; a run may go on with another number of shards "
                "afterwards."
            )

    @property
    def repaired(self) -> int:
        """Bytes of torn lines that were cut off when the store was opened."""
        return self._records.cut_off + self._failed.cut_off

    def add(self, record: Mapping[str, Any]) -> None:
        """Keep a record.

        Raises:
            ValueError: if the image has one.
            StorageError: if it cannot be written; then it is as if it had never come.
        """
        if record[KEY] in self.done:
            raise ValueError(f"{self.folder}: {record[KEY]} has a record already")
        self._records.append({"schema": SCHEMA, **record})
        self.done.add(record[KEY])
        self.failed.pop(record[KEY], None)

    def fail(self, line: Mapping[str, Any]) -> None:
        """Note that an image could not be captioned, and why.

        Raises:
            StorageError: as `add`.
        """
        self._failed.append({"schema": SCHEMA, **line})
        self.failed[line[KEY]] = dict(line)

    def records(self) -> Iterator[dict[str, Any]]:
        """All records of the folder, of every shard."""
        return read_lines(self.folder, "records")

    def failures(self) -> Iterator[dict[str, Any]]:
        """All failures of the folder, of every shard, resolved ones included."""
        return read_lines(self.folder, "failed")

    def close(self) -> None:
        """Close the files and let others write."""
        try:
            self._records.close()
            self._failed.close()
        finally:
            self._lock.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def read_lines(folder: str | Path, kind: str) -> Iterator[dict[str, Any]]:
    """Lines of the files `KIND-*.jsonl` of a folder; a torn last line is no line.

    Raises:
        DataError: if a whole line is no record, or two records are of one image.
    """
    seen: dict[str, str] = {}
    for path in sorted(Path(folder).glob(f"{kind}-*of*.jsonl")):
        lines = read_bytes(path).split(b"\n")[:-1]
        for number, raw in enumerate(lines, start=1):
            line = parse_json(raw, shown(path), line=number)
            if not isinstance(line, dict) or line.get("schema") != SCHEMA or not isinstance(line.get(KEY), str):
                raise DataError(f"{shown(path)}:{number}: is no line of this store. {_repair(path)}")
            if kind == "records" and line[KEY] in seen:
                raise DataError(
                    f"{shown(path)}:{number}: a second record of {line[KEY]!r:.120}, the first is {seen[line[KEY]]}. "
                    f"{_repair(path)}"
                )
            seen[line[KEY]] = f"{path.name}:{number}"
            yield line


def _repair(path: Path) -> str:
    return (
        f"The file was changed by hand, or by another program: delete the line in {path.name}; its image is made again."
    )


def _cut_torn_line(descriptor: int) -> int:
    """Cut off what stands behind the last line end; returns how many bytes that were."""
    size = end = os.fstat(descriptor).st_size
    step = 1 << 16
    while end:
        start = max(0, end - step)
        found = os.pread(descriptor, end - start, start).rfind(b"\n")
        if found >= 0:
            end = start + found + 1
            break
        end = start
    if end < size:
        os.ftruncate(descriptor, end)
    return size - end
