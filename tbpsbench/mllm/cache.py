"""Replies on the disk, so that nothing is asked twice: not after a crash, not for another experiment.

One SQLite file: key (SHA-256 of model, prompts, pictures, decoding) -> reply. A reply is on the disk before it is used,
so a process that is killed loses none. Several processes may share the file.
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
from dataclasses import replace
from pathlib import Path

from tbpsbench.errors import DataError, StorageError
from tbpsbench.files import storage_error
from tbpsbench.mllm.base import MLLMClient
from tbpsbench.mllm.messages import Reply, Request
from tbpsbench.mllm.wrapped import Wrapped

BUSY_SECONDS = 60.0
TABLE = (
    "CREATE TABLE IF NOT EXISTS replies (key TEXT PRIMARY KEY, model TEXT NOT NULL, reply TEXT NOT NULL) WITHOUT ROWID"
)


class ReplyCache:
    """The file.

    Args:
        path: is made with its folder.

    Raises:
        StorageError: if it cannot be written.
        DataError: if it is no such file.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file = sqlite3.connect(self.path, timeout=BUSY_SECONDS, isolation_level=None)
            self._file.execute("PRAGMA journal_mode=WAL")
            self._file.execute("PRAGMA synchronous=NORMAL")  # what a killed process wrote stays; a power cut may cost
            self._file.execute(TABLE)
        except OSError as error:
            raise storage_error(self.path, error) from error
        except sqlite3.DatabaseError as error:
            raise self._failed(error) from error

    def get(self, key: str) -> Reply | None:
        """The reply stored under `key`, marked as cached, or None."""
        try:
            row = self._file.execute("SELECT reply FROM replies WHERE key = ?", (key,)).fetchone()
            return Reply.of(json.loads(row[0]), cached=True, calls=0) if row else None
        except sqlite3.DatabaseError as error:
            raise self._failed(error) from error
        except (ValueError, TypeError, RecursionError) as error:
            raise DataError(f"{self.path}: the reply {key[:12]} is damaged ({error}). Delete the file.") from error

    def put(self, key: str, model: str, reply: Reply, *, instead: bool = False) -> None:
        """Store a reply; it is on the disk on return. The first one under a key stays, unless this comes `instead`."""
        try:
            self._file.execute(
                f"INSERT OR {'REPLACE' if instead else 'IGNORE'} INTO replies VALUES (?, ?, ?)",
                (key, model, json.dumps(reply.plain(), ensure_ascii=False)),
            )
        except sqlite3.DatabaseError as error:
            raise self._failed(error) from error

    def __len__(self) -> int:
        return int(self._file.execute("SELECT COUNT(*) FROM replies").fetchone()[0])

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _failed(self, error: sqlite3.DatabaseError) -> Exception:
        if "full" in str(error):
            return StorageError(f"cannot write {self.path}: the disk is full: free some space or choose another folder")
        if isinstance(error, sqlite3.OperationalError):
            return StorageError(f"cannot write {self.path}: {error}. Choose a folder that you may write to.")
        return DataError(f"{self.path}: is no cache of replies, or damaged ({error}). Delete it or name another file.")


class Cached(Wrapped):
    """A client that answers from the cache where it can; equal requests under way at once are asked once.

    A reply that was cut off is stored as one to a request of the length that it was cut off at: a client that would ask
    for it again with more room than that does so.

    Args:
        inner: whom it asks.
        cache: the file; closed with the client.
    """

    def __init__(self, inner: MLLMClient, cache: ReplyCache) -> None:
        super().__init__(inner)
        self.cache, self._under_way = cache, dict[str, asyncio.Future[Reply]]()

    async def ask(self, request: Request) -> Reply:
        key = request.key(self.name)
        while (other := self._under_way.get(key)) is not None:
            await asyncio.wait([other])
        widest = replace(request, max_tokens=self.room(request)).key(self.name)
        found = self.cache.get(key)
        cut = found is not None and found.finish_reason == "length"
        if widest != key and (found is None or cut):
            found = self.cache.get(widest)
        if found is not None:
            return found
        self._under_way[key] = asyncio.get_running_loop().create_future()
        try:
            reply = await self.inner.ask(request)
            if reply.finish_reason == "length":
                self.cache.put(widest, self.name, reply)
            else:
                self.cache.put(key, self.name, reply, instead=cut)
            return reply
        finally:
            self._under_way.pop(key).cancel()  # who waits looks into the cache, or asks

    async def close(self) -> None:
        """Close the client and the file."""
        await super().close()
        self.cache.close()
