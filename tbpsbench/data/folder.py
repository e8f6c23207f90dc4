"""A folder of pictures that nobody has labelled, batch by batch."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from tbpsbench.data.collate import stack
from tbpsbench.data.preprocess import Preprocess
from tbpsbench.errors import DataError
from tbpsbench.files import sha256_bytes
from tbpsbench.reading import given_path, shown

SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp")


class ImageFolder(Dataset[Tensor]):
    """Every picture below a folder, in the order of its path.

    Args:
        root: searched with its sub-folders; files that are no pictures by their suffix are passed over.
        preprocess: how the system looks at pictures.

    Raises:
        DataError: if there is no such folder, no picture in it, or a link to a folder.
    """

    def __init__(self, root: str | Path, preprocess: Preprocess) -> None:
        self.root, self.preprocess = given_path(root), preprocess
        if not self.root.is_dir():
            raise DataError(f"{root}: no such folder of pictures")
        linked = next((path for path in self.root.rglob("*") if path.is_symlink() and path.is_dir()), None)
        if linked is not None:
            raise DataError(
                f"{shown(linked)}: a link to a folder, which is not followed: its pictures would be missing. "
                "Put the pictures there, or remove the link."
            )
        self.files = sorted(
            path.relative_to(self.root).as_posix()
            for path in self.root.rglob("*")
            if path.suffix.lower() in SUFFIXES and path.is_file()
        )
        if not self.files:
            raise DataError(f"{root}: no picture in this folder ({', '.join(SUFFIXES)})")

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> Tensor:
        return self.preprocess(self.root / self.files[index])

    @property
    def sha256(self) -> str:
        """Of the list of files with their sizes: tells whether it is the same folder without reading every picture."""
        lines = [f"{name} {(self.root / name).stat().st_size}" for name in self.files]
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
