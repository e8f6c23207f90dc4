"""RSTPReid (Zhu et al. 2021): 4,101 identities with five images and ten captions each."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from tbpsbench.data.base import Expected, PersonSearchDataset
from tbpsbench.data.official import Release, prepare_release
from tbpsbench.registry import DATASETS


@DATASETS.register()
class RSTPReid(PersonSearchDataset):
    """Reads data_captions.json, whose records name the image `img_path`.

    Args:
        root: holds the JSON file and imgs/.
    """

    name: ClassVar[str] = "RSTPReid"
    annotation_files: ClassVar[tuple[str, ...]] = ("data_captions.json",)
    expected: ClassVar[Expected | None] = {
        "train": {"ids": 3701, "images": 18505, "captions": 37010},
        "val": {"ids": 200, "images": 1000, "captions": 2000},
        "test": {"ids": 200, "images": 1000, "captions": 2000},
    }

    def __init__(self, root: str = "data/RSTPReid") -> None:
        super().__init__(root)

    def prepare(
        self, *, splits_file: str | Path | None = None, allow_partial: bool = False, allow_missing: bool = False
    ) -> Path:
        release = Release(self.name, self.annotation_files, "img_path", "imgs", self.expected)
        return prepare_release(
            self.root, release, splits_file=splits_file, allow_partial=allow_partial, allow_missing=allow_missing
        )
