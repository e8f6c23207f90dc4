"""ICFG-PEDES (Ding et al. 2021): 4,102 identities, one caption per image, no validation split of its own."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from tbpsbench.annotations import Annotations
from tbpsbench.data.base import Expected, PersonSearchDataset
from tbpsbench.data.carving import carve
from tbpsbench.data.official import Release, prepare_release
from tbpsbench.registry import DATASETS


@DATASETS.register()
class ICFGPEDES(PersonSearchDataset):
    """Reads ICFG-PEDES.json (ICFG_PEDES.json in some instructions).

    Args:
        root: holds the JSON file and imgs/.
        val_carve: move a fixed 5 % of the training identities to a split "val-carved", so that a checkpoint can be
            chosen without the test split. The papers' settings train on all of them and take the last epoch.
    """

    name: ClassVar[str] = "ICFG-PEDES"
    annotation_files: ClassVar[tuple[str, ...]] = ("ICFG-PEDES.json", "ICFG_PEDES.json")
    expected: ClassVar[Expected | None] = {
        "train": {"ids": 3102, "images": 34674, "captions": 34674},
        "test": {"ids": 1000, "images": 19848, "captions": 19848},
    }

    def __init__(self, root: str = "data/ICFG-PEDES", val_carve: bool = False) -> None:
        super().__init__(root)
        self.val_carve = val_carve

    def prepare(
        self, *, splits_file: str | Path | None = None, allow_partial: bool = False, allow_missing: bool = False
    ) -> Path:
        release = Release(self.name, self.annotation_files, "file_path", "imgs", self.expected)
        return prepare_release(
            self.root, release, splits_file=splits_file, allow_partial=allow_partial, allow_missing=allow_missing
        )

    def arrange(self, annotations: Annotations) -> Annotations:
        return carve(annotations) if self.val_carve else annotations
