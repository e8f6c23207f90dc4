"""UFine6926 (Zuo et al. 2024): 6,926 identities with long, fine-grained captions."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from tbpsbench.annotations import Annotations
from tbpsbench.data.base import Expected, PersonSearchDataset
from tbpsbench.data.carving import carve
from tbpsbench.data.official import Release, prepare_release
from tbpsbench.registry import DATASETS


@DATASETS.register()
class UFine6926(PersonSearchDataset):
    """Reads UFine6926_Annotations_1024.json; its paths begin with images/.

    The sizes of its splits are not published outside the file, so no counts are checked.

    Args:
        root: holds the JSON file and images/.
        val_carve: move a fixed 5 % of the training identities to a split "val-carved", so that a checkpoint can be
            chosen without the test split.
    """

    name: ClassVar[str] = "UFine6926"
    annotation_files: ClassVar[tuple[str, ...]] = ("UFine6926_Annotations_1024.json",)
    expected: ClassVar[Expected | None] = None

    def __init__(self, root: str = "data/UFine6926", val_carve: bool = False) -> None:
        super().__init__(root)
        self.val_carve = val_carve

    def prepare(
        self, *, splits_file: str | Path | None = None, allow_partial: bool = False, allow_missing: bool = False
    ) -> Path:
        release = Release(self.name, self.annotation_files, "file_path", ".", self.expected)
        return prepare_release(
            self.root, release, splits_file=splits_file, allow_partial=allow_partial, allow_missing=allow_missing
        )

    def arrange(self, annotations: Annotations) -> Annotations:
        return carve(annotations) if self.val_carve else annotations
