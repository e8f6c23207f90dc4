"""Files and folders that are whole or absent: atomic writes and hashes.

What is being written lies beside its place as `.NAME.tmp`. A killed process leaves it there; the next one to write the
same file uses it again, so that such leftovers neither add up nor stay.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from tbpsbench.errors import DataError, StorageError

# What flock says where the file system has none, as some NFS.
NO_FLOCK = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)


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
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = _file_beside(path)
        with os.fdopen(handle, mode, encoding=None if "b" in mode else "utf-8") as stream:
            # Published or removed before it is closed: until then nobody else takes it for a leftover, and from then
            # on a file of this name is another writer's.
            try:
                yield stream
                stream.flush()
                os.fsync(stream.fileno())
                publish(temporary, path)
            except BaseException:
                Path(temporary).unlink(missing_ok=True)
                raise
    except OSError as error:
        raise storage_error(path, error) from error


@contextmanager
def atomic_folder(folder: str | Path, *, replace: bool = False) -> Iterator[Path]:
    """Make a folder beside `folder`; on success it takes the place of `folder`, on failure it vanishes.

    Args:
        folder: where the finished folder shall be; the folder above it is made.
        replace: whether a folder that is there gives way; otherwise only an empty one does.

    Yields:
        The empty folder to be filled.

    Raises:
        StorageError: if the disk is full, the place cannot be written or is taken; what was there stays.
    """
    given, folder = folder, _absolute(Path(folder))
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = _folder_beside(folder)
        try:
            yield temporary
            if replace:
                publish_folder(temporary, folder)
            else:
                _set_permissions(temporary)
                temporary.rename(folder)  # fails if a folder with files is there
        except BaseException:  # not in the end: a folder of this name is another's by then
            shutil.rmtree(temporary, ignore_errors=True)
            raise
        finally:
            os.close(handle)
    except OSError as error:
        raise storage_error(given, error) from error


def _absolute(path: Path) -> Path:
    """The same place wherever this process stands, even where that is a folder that is about to move; a link stays."""
    return path.resolve() if path.name in ("", "..") else path.parent.resolve() / path.name


def _file_beside(path: Path) -> tuple[int, str]:
    """A new or left-over file beside `path` that nobody else writes: (descriptor, path)."""
    usual = path.with_name(f".{path.name}.tmp")
    try:
        handle = os.open(usual, os.O_CREAT | os.O_RDWR | os.O_NOFOLLOW, 0o600)
    except OSError:  # somebody else's, or the disk's fault, which will show again
        return tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)
    if _claimed(handle, usual):
        os.ftruncate(handle, 0)
        return handle, str(usual)
    return tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)


def _folder_beside(path: Path) -> tuple[int, Path]:
    """A new or left-over folder beside `path` that nobody else fills, now empty: (descriptor, path)."""
    usual = path.with_name(f".{path.name}.tmp")
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
    with suppress(OSError):
        usual.mkdir(mode=0o700, exist_ok=True)
        handle = os.open(usual, flags)
        if _claimed(handle, usual):
            for left in usual.iterdir():
                if left.is_dir() and not left.is_symlink():
                    shutil.rmtree(left)
                else:
                    left.unlink()
            return handle, usual
    other = Path(tempfile.mkdtemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent))
    return os.open(other, flags), other


def _claimed(handle: int, path: Path) -> bool:
    """Lock an open file or folder, if nobody else has and it still lies at `path`; else close it."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.path.samestat(os.fstat(handle), os.lstat(path)):
            return True
    except OSError as error:
        if error.errno in NO_FLOCK:  # nobody uses the usual name where it cannot be claimed
            with suppress(OSError):
                path.rmdir() if path.is_dir() else path.unlink()
    os.close(handle)
    return False


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
    Path(temporary).chmod(0o666 & ~_umask())
    Path(temporary).replace(path)


def publish_folder(temporary: str | Path, folder: str | Path) -> None:
    """Let a finished temporary folder take the place of `folder`: whole or as it was before, never half of each."""
    temporary, folder = Path(temporary), Path(folder)
    _set_permissions(temporary)
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


def _set_permissions(folder: Path) -> None:
    """As those of a plain `mkdir` with files of a plain `open`."""
    mask = _umask()
    folder.chmod(0o777 & ~mask)
    for path in folder.rglob("*"):
        path.chmod((0o777 if path.is_dir() else 0o666) & ~mask)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def storage_error(path: str | Path, error: OSError) -> StorageError:
    """Say in the user's terms why `path` could not be written."""
    hints = {
        28: "the disk is full: free some space or choose another folder",
        122: "your disk quota is used up: free some space or choose another folder",
        13: "no permission: choose a folder that you may write to",
        30: "the file system is read-only: choose another folder",
    }
    return StorageError(f"cannot write {path}: {hints.get(error.errno or 0, error.strerror or str(error))}")


def require_folder(folder: str | Path) -> None:
    """Refuse a folder that cannot be written or made, before hours are spent.

    None is made here, so that nothing is left where all fails.

    Raises:
        StorageError: if it is a file or below one, cannot be entered, or a file cannot be made there.
    """
    folder = Path(folder).absolute()
    try:
        # lexists: a link that leads nowhere is there, and in the way
        there = next(place for place in (folder, *folder.parents) if os.path.lexists(place))
        with tempfile.TemporaryFile(dir=there):
            pass
    except OSError as error:
        raise storage_error(folder, error) from error


def require_file(path: str | Path | None) -> None:
    """Refuse a file that cannot be written; None is no file.

    Raises:
        StorageError: if a folder has its name, or its own folder cannot be written.
    """
    if path is None:
        return
    if Path(path).is_dir():
        raise storage_error(path, IsADirectoryError(errno.EISDIR, "a folder has this name"))
    require_folder(Path(path).parent)


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
