"""One process at a time: locks that are free again as soon as their holder has died, however it died.

The lock is flock's where the file system has it. A forked child (a loader's worker, say) would share it and keep it
after its parent's death; each child gives its copy up at once. Where there is no flock (some NFS), a file `PATH.holder`
says who holds the lock; that of a dead process is taken over, that of another machine is waited for.
"""

from __future__ import annotations

import fcntl
import json
import math
import os
import socket
import sys
import tempfile
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from tbpsbench.errors import DataError, StorageError
from tbpsbench.files import NO_FLOCK, storage_error
from tbpsbench.reading import read_json

POLL_SECONDS = 0.1

_held: weakref.WeakSet[Lock] = weakref.WeakSet()


class Lock:
    """An exclusive lock; not shared with children.

    Args:
        path: the lock file; its folder is made. It stays: removing it while others open it would make two locks.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._descriptor: int | None = None
        self._note: str | None = None

    @property
    def _holder_path(self) -> Path:
        return self.path.with_name(f"{self.path.name}.holder")

    def acquire(self, patience: float = math.inf, waiting: Callable[[], None] | None = None) -> bool:
        """Take the lock.

        Args:
            patience: seconds to wait while another process holds it.
            waiting: called once, before the first wait.

        Returns:
            Whether it was taken.

        Raises:
            StorageError: if the lock file cannot be made, or the file system has no way of locking.
        """
        deadline = time.monotonic() + patience
        while not self._try():
            if waiting is not None:
                waiting()
                waiting = None
            if time.monotonic() >= deadline:
                return False
            time.sleep(POLL_SECONDS)
        return True

    def release(self) -> None:
        """Give the lock up; the operating system does so, too, when the process ends."""
        if self._note is not None:
            with suppress(OSError):
                if self._holder_path.read_text() == self._note:
                    self._holder_path.unlink()
        self.forget()

    def forget(self) -> None:
        """Close this process' copy and leave the lock to the process that it was copied from."""
        if self._descriptor is not None:
            os.close(self._descriptor)
        self._descriptor = self._note = None
        _held.discard(self)

    def holder(self) -> str:
        """Who holds it and what to do if that is wrong, as far as it is known: "" where flock tells nothing."""
        note = _read_note(self._holder_path)
        if note is None:
            return ""
        return (
            f" (process {note.get('pid')} on {note.get('host')}, by {self._holder_path}; "
            "if it is gone for good, delete that file)"
        )

    def _try(self) -> bool:
        taken = False
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._descriptor = os.open(self.path, os.O_CREAT | os.O_RDWR, 0o666)
            _held.add(self)
            taken = self._taken()
        except BlockingIOError:
            pass
        except OSError as error:
            raise storage_error(self.path, error) from error
        finally:
            if not taken:
                self.forget()
        return taken

    def _taken(self) -> bool:
        assert self._descriptor is not None
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno in NO_FLOCK:
                return self._taken_by_file()
            raise
        # Whoever removed the file meanwhile has left us a lock that nobody else would see.
        with suppress(FileNotFoundError):
            return os.path.samestat(os.fstat(self._descriptor), self.path.stat())
        return False

    def _taken_by_file(self) -> bool:
        holder, note = self._holder_path, json.dumps(_own_note(), sort_keys=True)
        if (there := _read_note(holder)) is not None and _is_gone(there):
            _take_away(holder, there)
        handle, aside = tempfile.mkstemp(prefix=f".{holder.name}.", suffix=".tmp", dir=holder.parent)
        try:
            with os.fdopen(handle, "w") as stream:
                stream.write(note)
            os.link(aside, holder)  # whole or not at all, and only if nobody else has
        except (FileExistsError, FileNotFoundError):  # held, or `aside` swept away by who holds it
            return False
        except OSError as error:
            raise StorageError(
                f"{self.path}: the file system can lock files neither by flock nor by links ({error.strerror}): choose "
                "a folder on another one, e.g. a local disk"
            ) from error
        finally:
            Path(aside).unlink(missing_ok=True)
        self._note = note
        return True


@contextmanager
def exclusive(path: str | Path) -> Iterator[None]:
    """Hold the lock file `path`; wait, and say so, while another process holds it.

    Raises:
        StorageError: if the lock file cannot be made.
    """
    lock = Lock(path)

    def waiting() -> None:
        print(f"waiting for another process that holds {path}{lock.holder()}", file=sys.stderr)

    lock.acquire(waiting=waiting)
    try:
        yield
    finally:
        lock.release()


def is_held(path: str | Path) -> bool:
    """Whether a process holds the lock file right now."""
    lock = Lock(path)
    if not lock.path.exists():
        return False
    taken = lock.acquire(patience=0.0)
    lock.release()
    return not taken


def _own_note() -> dict[str, Any]:
    """Who we are: enough to tell later, on this machine, whether we still live."""
    return {"host": socket.gethostname(), **_machine(), "pid": os.getpid(), "started": _started(os.getpid())}


def _machine() -> dict[str, Any]:
    """What pids mean: the boot, and the namespace of a container. Empty where the system does not tell."""
    with suppress(OSError):
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return {"boot": boot, "namespace": Path("/proc/self/ns/pid").stat().st_ino}
    return {"boot": "", "namespace": 0}


def _started(pid: int) -> str | None:
    """When a process started, in ticks ("" where the system does not tell); None if it has ended."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return None if fields[0] in "ZX" else fields[19]
    except FileNotFoundError:
        if Path("/proc/self/stat").exists():
            return None
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return None
    except PermissionError:
        pass
    return ""


def _read_note(path: Path) -> dict[str, Any] | None:
    """What a holder's file says; {} if it is none of ours, None if there is none."""
    if not path.exists():
        return None
    try:
        note = read_json(path)
    except DataError:
        return {}
    return note if isinstance(note, dict) else {}


def _is_gone(note: dict[str, Any]) -> bool:
    own = _own_note()
    if note.get("host") != own["host"] or not isinstance(note.get("pid"), int):
        return False
    if note.get("boot") != own["boot"]:
        return True
    return note.get("namespace") == own["namespace"] and _started(note["pid"]) != note.get("started")


def _take_away(holder: Path, gone: dict[str, Any]) -> None:
    """Remove the file of a holder that is gone, unless another process was faster and holds the lock by now."""
    aside = holder.with_name(f".{holder.name}.{os.getpid()}.tmp")
    with suppress(FileNotFoundError):
        holder.rename(aside)
        if _read_note(aside) != gone:
            with suppress(FileExistsError):
                os.link(aside, holder)
        aside.unlink()


def _forget_in_child() -> None:
    for lock in list(_held):
        lock.forget()


os.register_at_fork(after_in_child=_forget_in_child)
