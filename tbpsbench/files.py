"""Files that are whole or absent: atomic writes and hashes."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, Any

from tbpsbench.errors import DataError, StorageError


@contextmanager
def atomic_write(path: str | Path, mode: str = "wb") -> Iterator[IO[Any]]:
    """Open a file beside `path`; on success it takes the place of `path`, on failure it vanishes.

    Args:
        path: where the finished file shall be; its folder is made.
        mode: "wb" or "w" (UTF-8).

    Raises:
        StorageError: if the disk is full or the folder cannot be written; `path` keeps its old content.
    """
    path = Path(path)
    temporary: str | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)
        with os.fdopen(handle, mode, encoding=None if "b" in mode else "utf-8") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        publish(temporary, path)
        temporary = None
    except OSError as error:
        raise storage_error(path, error) from error
    finally:
        if temporary is not None:
            Path(temporary).unlink(missing_ok=True)


def write_together(folder: str | Path, contents: Mapping[str, bytes]) -> list[Path]:
    """Write several files into a folder, all or none: each is on the disk before the first takes its place.

    Args:
        folder: is made if it is not there.
        contents: name -> what it holds.

    Raises:
        StorageError: if the disk is full or the folder cannot be written; every file keeps its old content.
    """
    paths = {name: Path(folder) / name for name in contents}
    for path in paths.values():
        if path.is_dir():
            raise StorageError(f"cannot write {path}: a folder has this name. Move it, or choose another folder.")
    with ExitStack() as stack:
        for name, path in paths.items():
            stream = stack.enter_context(atomic_write(path))
            stream.write(contents[name])
            stream.flush()
            os.fsync(stream.fileno())
    return list(paths.values())


def publish(temporary: str | Path, path: str | Path) -> None:
    """Let a finished temporary file take the place of `path`, with the permissions a plain `open` would have given."""
    mask = os.umask(0)
    os.umask(mask)
    Path(temporary).chmod(0o666 & ~mask)
    Path(temporary).replace(path)


def publish_folder(temporary: str | Path, folder: str | Path) -> None:
    """Let a finished temporary folder take the place of `folder`: whole or as it was before, never half of each."""
    temporary, folder = Path(temporary), Path(folder)
    mask = os.umask(0)
    os.umask(mask)
    temporary.chmod(0o777 & ~mask)
    for path in temporary.iterdir():
        path.chmod(0o666 & ~mask)
    if not folder.exists():
        temporary.rename(folder)
        return
    old = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", suffix=".old", dir=folder.parent))
    folder.rename(old / "folder")
    try:
        temporary.rename(folder)
    except OSError:
        (old / "folder").rename(folder)
        raise
    finally:
        shutil.rmtree(old, ignore_errors=True)


def storage_error(path: str | Path, error: OSError) -> StorageError:
    """Say in the user's terms why `path` could not be written."""
    hints = {
        28: "the disk is full: free some space or choose another folder",
        122: "your disk quota is used up: free some space or choose another folder",
        13: "no permission: choose a folder that you may write to",
        30: "the file system is read-only: choose another folder",
    }
    return StorageError(f"cannot write {path}: {hints.get(error.errno or 0, error.strerror or str(error))}")


def write_json(path: str | Path, value: Any) -> None:
    """Write `value` as indented JSON with sorted keys, atomically."""
    text = json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False)
    with atomic_write(path, "w") as stream:
        stream.write(text + "\n")


def sha256_bytes(data: bytes) -> str:
    """SHA-256 as 64 hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()


def sha256_file(path: str | Path) -> str:
    """SHA-256 of a file, read in pieces.

    Raises:
        DataError: if the file is missing or unreadable.
    """
    try:
        with Path(path).open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except FileNotFoundError:
        raise DataError(f"{path}: no such file") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from error
