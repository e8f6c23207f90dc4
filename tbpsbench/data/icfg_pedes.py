"""ICFG-PEDES (Ding et al. 2021): 4,102 identities, one caption per image, no validation split of its own."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

from tbpsbench.annotations import Annotations, counts
from tbpsbench.data.base import Expected, PersonSearchDataset
from tbpsbench.data.official import Release, prepare_release
from tbpsbench.registry import DATASETS
from tbpsbench.types import ImageRecord

CARVED = "val-carved"
CARVE_SALT = "tbpsbench icfg-pedes val-carved 1"
CARVE_SHARE = 0.05


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


def is_carved(pid: int) -> bool:
    """Whether a training identity belongs to the carved validation split; depends on nothing but its number."""
    digest = hashlib.sha256(f"{CARVE_SALT} {pid}".encode()).digest()
    return int.from_bytes(digest[:8], "big") < CARVE_SHARE * 2**64


def carved_sha256(pids: Iterable[int]) -> str:
    """Hash that stands for a list of carved identities."""
    return hashlib.sha256(" ".join(map(str, sorted(set(pids)))).encode()).hexdigest()


def carve(annotations: Annotations) -> Annotations:
    """The same annotations with the carved identities in a split of their own; the header lists them by hash."""
    records = tuple(map(_carved, annotations.records))
    pids = {record.pid for record in records if record.split == CARVED}
    note = {"share": CARVE_SHARE, "salt": CARVE_SALT, "ids": len(pids), "sha256": carved_sha256(pids)}
    notes = {**annotations.header.get("notes", {}), CARVED: note}
    header = {**annotations.header, "counts": counts(records), "notes": notes}
    return replace(annotations, records=records, header=header)


def _carved(record: ImageRecord) -> ImageRecord:
    if record.split != "train" or not is_carved(record.pid):
        return record
    captions = tuple(replace(caption, split=CARVED) for caption in record.captions)
    return replace(record, split=CARVED, captions=captions)
