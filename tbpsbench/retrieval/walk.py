"""Which files below a folder are pictures, and why some that should be are not.

Files are pictures by their suffix; folders that are links are not followed, so that a loop of links ends and nothing
outside the folder is read by way of a folder. A link to a file counts as that file.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass, field
from pathlib import Path

from tbpsbench.data.images import MAX_SHOWN, SUFFIXES
from tbpsbench.errors import DataError
from tbpsbench.reading import shown
from tbpsbench.retrieval.items import Item


@dataclass
class Found:
    """What lies below a folder.

    Attributes:
        pictures: by their path below the folder, sorted.
        problems: (path below the folder, reason) of what could not be looked at.
        others: files that are no pictures by their suffix.
    """

    pictures: list[Item] = field(default_factory=list)
    problems: list[tuple[str, str]] = field(default_factory=list)
    others: int = 0


def find_pictures(root: Path, leave_out: Path | None = None) -> Found:
    """Look through a folder and its sub-folders.

    Args:
        root: the folder.
        leave_out: a folder that may lie in it and is passed over, e.g. the index.

    Raises:
        DataError: if there is no such folder.
    """
    if not root.is_dir():
        raise DataError(f"{shown(root)}: no such folder of pictures")
    found, waiting = Found(), [""]
    while waiting:
        _look_into(root, waiting.pop(), leave_out, found, waiting)
    found.pictures.sort()
    found.problems.sort()
    return found


def nothing_found(root: Path, found: Found) -> str:
    """What to tell of a folder without pictures."""
    named = "".join(f"\n  {shown(file)}: {reason}" for file, reason in found.problems[:MAX_SHOWN])
    others = f", but {found.others} files of other kinds" if found.others else ""
    return f"{shown(root)}: no picture in this folder ({', '.join(sorted(SUFFIXES))}){others}{named}"


def _look_into(root: Path, folder: str, leave_out: Path | None, found: Found, waiting: list[str]) -> None:
    """Sort what one folder holds; sub-folders are added to `waiting`."""
    try:
        with os.scandir(root / folder) as entries:
            listed = list(entries)
    except OSError as error:
        found.problems.append((folder or ".", f"cannot be read ({error.strerror})"))
        return
    for entry in listed:
        below = f"{folder}/{entry.name}" if folder else entry.name
        try:
            _look_at(entry, below, leave_out, found, waiting)
        except OSError as error:  # a link to nothing, or to itself
            reason = "a link to a file that is missing" if isinstance(error, FileNotFoundError) else error.strerror
            found.problems.append((below, f"cannot be read ({reason})"))


def _look_at(entry: os.DirEntry[str], below: str, leave_out: Path | None, found: Found, waiting: list[str]) -> None:
    if entry.is_dir():
        if entry.is_symlink():
            found.problems.append((below, "a link to a folder, which is not followed"))
        elif leave_out is None or not os.path.samestat(entry.stat(), leave_out.stat()):
            waiting.append(below)
    elif Path(entry.name).suffix.lower() not in SUFFIXES:
        found.others += 1
    elif stat.S_ISREG((status := entry.stat()).st_mode):
        found.pictures.append(Item(below, status.st_size, status.st_mtime_ns))
    else:
        found.problems.append((below, "not a file but a pipe, socket or device"))
