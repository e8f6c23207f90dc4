"""A validation split for releases that have none: a fixed part of the training identities, drawn by hash."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import replace

from tbpsbench.annotations import Annotations, counts
from tbpsbench.types import ImageRecord

CARVED = "val-carved"
CARVE_SALT = "tbpsbench icfg-pedes val-carved 1"  # of every data set: the hash is of the number alone
CARVE_SHARE = 0.05


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
