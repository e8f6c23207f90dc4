"""CUHK-PEDES (Li et al. 2017): 13,003 identities, at least two captions per image."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from tbpsbench.data.base import Expected, PersonSearchDataset
from tbpsbench.data.official import Release, prepare_release
from tbpsbench.registry import DATASETS


@DATASETS.register()
class CUHKPEDES(PersonSearchDataset):
    """Reads reid_raw.json; caption_all.json as first released has no splits and needs `--splits`.

    Args:
        root: holds the JSON file and imgs/.
    """

    name: ClassVar[str] = "CUHK-PEDES"
    annotation_files: ClassVar[tuple[str, ...]] = ("reid_raw.json", "caption_all.json", "captions.json")
    expected: ClassVar[Expected | None] = {
        "train": {"ids": 11003, "images": 34054, "captions": 68126},
        "val": {"ids": 1000, "images": 3078, "captions": 6158},
        "test": {"ids": 1000, "images": 3074, "captions": 6156},
    }

    def __init__(self, root: str = "data/CUHK-PEDES") -> None:
        super().__init__(root)

    def prepare(
        self, *, splits_file: str | Path | None = None, allow_partial: bool = False, allow_missing: bool = False
    ) -> Path:
        release = Release(self.name, self.annotation_files, "file_path", "imgs", self.expected)
        return prepare_release(
            self.root, release, splits_file=splits_file, allow_partial=allow_partial, allow_missing=allow_missing
        )
