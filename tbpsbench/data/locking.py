"""One process at a time: a lock that the operating system drops when its holder dies, however it dies."""

from __future__ import annotations

import fcntl
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tbpsbench.files import storage_error


@contextmanager
def exclusive(path: str | Path) -> Iterator[None]:
    """Hold the lock file `path`; wait, and say so, while another process holds it.

    Raises:
        StorageError: if the lock file cannot be made.
    """
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        stream = path.open("a")
    except OSError as error:
        raise storage_error(path, error) from error
    with stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print(f"waiting for another process that holds {path}", file=sys.stderr)
            fcntl.flock(stream, fcntl.LOCK_EX)
        yield
