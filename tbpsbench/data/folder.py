"""A folder of pictures that nobody has labelled, batch by batch."""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from tbpsbench.data.collate import stack
from tbpsbench.data.images import SUFFIXES, bad_images_error, head_problem
from tbpsbench.data.preprocess import Preprocess
from tbpsbench.distributed import rank_and_world
from tbpsbench.errors import DataError
from tbpsbench.files import sha256_bytes
from tbpsbench.reading import given_path, shown

FIX = "Copy them again, or take them out of the folder: what stays in it is counted."
KINDS_SHOWN = 5
# (root, hash of the list) of the folders that this process has looked through: a run opens one several times.
_SOUND: set[tuple[Path, str]] = set()


class ImageFolder(Dataset[Tensor]):
    """Every picture below a folder, in the order of its path.

    Files that are no pictures by their suffix and what is hidden (".thumbnails", macOS's "._1.jpg") are passed over,
    which is told on the standard error. The first bytes of all are read, so that what is no picture is listed before
    any is embedded; decoding a million to find the torn ones would take as long as using them.

    Args:
        root: searched with its sub-folders.
        preprocess: how the system looks at pictures.

    Raises:
        DataError: if there is no such folder, no picture in it, a link to a folder, a folder that cannot be read, or
            pictures that cannot be used: all of them in one message.
    """

    def __init__(self, root: str | Path, preprocess: Preprocess) -> None:
        self.root, self.preprocess = given_path(root), preprocess
        if not self.root.is_dir():
            raise DataError(f"{root}: no such folder of pictures")
        self.files, others = _listed(self.root)
        if not self.files:
            raise DataError(f"{root}: no picture in this folder ({', '.join(sorted(SUFFIXES))}){_spelled(others)}")
        if (key := (self.root.absolute(), self.sha256)) not in _SOUND:
            if others and rank_and_world()[0] == 0:
                print(f"{shown(root)}: {len(self.files)} pictures{_spelled(others)}", file=sys.stderr)
            looked = ((name, head_problem(self.root / name)) for name in self.files)
            if bad := [(name, reason) for name, reason in looked if reason is not None]:
                raise bad_images_error(bad, self.root, FIX)
            _SOUND.add(key)

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> Tensor:
        return self.preprocess(self.root / self.files[index])

    @property
    def sha256(self) -> str:
        """Of the list of files with their sizes: tells whether it is the same folder without reading every picture."""
        lines = [f"{name} {_size(self.root / name)}" for name in self.files]
        return sha256_bytes("\n".join(lines).encode("utf-8", "surrogateescape"))

    def about(self) -> dict[str, Any]:
        """What a record says of it."""
        return {"images": len(self), "sha256": self.sha256}

    def batches(self, batch_size: int, *, num_workers: int = 0) -> Iterator[Tensor]:
        """(B, 3, H, W) float32, in order."""
        loader: DataLoader[Tensor] = DataLoader(self, batch_size, num_workers=num_workers, collate_fn=_stacked)
        yield from loader


def _stacked(images: list[Tensor]) -> Tensor:
    return stack(images) if images else torch.empty(0)


def _listed(root: Path) -> tuple[list[str], Counter[str]]:
    """The pictures by their path below `root`, sorted; and what was passed over, counted by kind."""
    files: list[str] = []
    others: Counter[str] = Counter()
    for place, folders, names in os.walk(root, onerror=_refuse):
        others["hidden"] += sum(name.startswith(".") for name in (*folders, *names))
        folders[:] = [name for name in folders if not name.startswith(".")]
        if linked := next((path for name in folders if (path := Path(place, name)).is_symlink()), None):
            raise DataError(
                f"{shown(linked)}: a link to a folder, which is not followed: its pictures would be missing. "
                "Put the pictures there, or remove the link."
            )
        for path in (Path(place, name) for name in names if not name.startswith(".")):
            if path.suffix.lower() not in SUFFIXES:
                others[path.suffix.lower() or "without a suffix"] += 1
            elif path.is_file() or not path.exists():  # a link to nothing is a picture that is missing
                files.append(path.relative_to(root).as_posix())
            else:
                others["not a file"] += 1
    return sorted(files), +others


def _refuse(error: OSError) -> NoReturn:
    raise DataError(f"{shown(error.filename)}: this folder of pictures cannot be read ({error.strerror})")


def _spelled(others: Counter[str]) -> str:
    """What was passed over, as the end of a sentence: nothing, or `, 7 others passed over (.txt: 4, hidden: 3)`."""
    if not others:
        return ""
    kinds = ", ".join(f"{shown(kind)}: {number}" for kind, number in others.most_common(KINDS_SHOWN))
    return f", {others.total()} others passed over ({kinds}{', ...' if len(others) > KINDS_SHOWN else ''})"


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
