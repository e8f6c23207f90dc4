"""Check a prepared data set: every image opened, every count compared, nothing shared across splits."""

from __future__ import annotations

import hashlib
import os
from collections import defaultdict
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from tbpsbench.annotations import Annotations, counts
from tbpsbench.data.images import BadImageError, decode, read_image
from tbpsbench.files import sha256_bytes
from tbpsbench.progress import progress_bar


@dataclass
class Verification:
    """What was found; written as the report file, whole.

    Attributes:
        dataset, annotations_sha256, made_from: what was checked.
        counts, expected: per split; `expected` is None where no official counts are known.
        missing: image files that are not there.
        unreadable: image files that cannot be decoded to the end, each with the reason.
        duplicates_across_splits: groups of files with the same bytes in more than one split.
        listed_twice: files that two records name, so that they are in the gallery twice. ICFG-PEDES has one, and is
            sound with it: where all counts are official, the release is as its owners made it.
        accepted: the data were prepared as partial, so their counts need not be official.
        pixels_sha256, expected_pixels_sha256: of all decoded pictures in order, found and told by the annotation file's
            notes; None where they tell nothing, found also where a picture is missing or unreadable.
    """

    dataset: str
    annotations_sha256: str
    made_from: dict[str, Any]
    counts: dict[str, dict[str, int]]
    expected: dict[str, dict[str, int]] | None
    missing: list[str] = field(default_factory=list)
    unreadable: list[dict[str, str]] = field(default_factory=list)
    duplicates_across_splits: list[list[str]] = field(default_factory=list)
    listed_twice: list[str] = field(default_factory=list)
    accepted: bool = False
    pixels_sha256: str | None = None
    expected_pixels_sha256: str | None = None

    @property
    def official(self) -> bool:
        """Whether the counts are known and as they should be."""
        return self.expected is not None and self.expected == self.counts

    @property
    def other_pixels(self) -> bool:
        """Whether all pictures can be read and are not those that the annotations were made for."""
        return self.pixels_sha256 is not None and self.pixels_sha256 != self.expected_pixels_sha256

    @property
    def wrong(self) -> list[str]:
        """What of the list is wrong with the data; splits and captions were checked when the annotations were made."""
        found = [] if self.counts else ["no images"]
        found += [kind for kind in ("missing", "unreadable", "duplicates_across_splits") if getattr(self, kind)]
        found += ["listed_twice"] if self.listed_twice and not self.official else []
        found += ["pixels"] if self.other_pixels else []
        return found + (["counts"] if self.expected is not None and not (self.official or self.accepted) else [])

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return not self.wrong

    def summary(self) -> str:
        """A few lines for the terminal."""
        lines = [f"{self.dataset}:"]
        for split, numbers in self.counts.items():
            official = (self.expected or {}).get(split)
            verdict = "" if self.expected is None else (" = official" if official == numbers else " (not official)")
            lines.append(f"  {split}: " + ", ".join(f"{n} {what}" for what, n in numbers.items()) + verdict)
        for what in ("missing", "unreadable", "duplicates_across_splits", "listed_twice"):
            lines.append(f"  {what.replace('_', ' ')}: {len(getattr(self, what))}")
        if self.other_pixels:
            lines.append(
                "  pixels: the pictures are not those that the annotations were made for (another pixels_sha256). "
                "Delete the folder images, or the whole folder, and run the same command again."
            )
        lines.append(f"  wrong: {', '.join(self.wrong).replace('_', ' ') or 'nothing'}")
        return "\n".join(lines)

    def to_json(self) -> dict[str, Any]:
        """Everything, for the report file."""
        return asdict(self) | {"wrong": self.wrong, "ok": self.ok}


def verify(
    annotations: Annotations,
    expected: Mapping[str, Mapping[str, int]] | None = None,
    *,
    workers: int | None = None,
    progress: bool = True,
) -> Verification:
    """Open and decode every image of a data set.

    Args:
        annotations: checked already, as all that are read (ids shared across splits, empty captions).
        expected: official counts per split.
        workers: decoding threads; default: one per core.
        progress: show a progress bar on a terminal.
    """
    found = Verification(
        dataset=annotations.dataset,
        annotations_sha256=annotations.sha256,
        made_from=dict(annotations.header.get("made_from", {})),
        counts=counts(annotations.records),
        expected={split: dict(numbers) for split, numbers in expected.items()} if expected else None,
        accepted=bool(annotations.header.get("notes", {}).get("partial")),
    )
    splits: dict[str, set[str]] = defaultdict(set)
    times: dict[str, int] = defaultdict(int)
    for record in annotations.records:
        splits[record.file].add(record.split)
        times[record.file] += 1
    found.listed_twice = sorted(file for file, number in times.items() if number > 1)
    same: dict[str, list[str]] = defaultdict(list)
    for file, digest, reason in _scan(annotations.image_root, sorted(splits), workers, progress):
        if digest is not None:
            same[digest].append(file)
        if reason == "missing":
            found.missing.append(file)
        elif reason is not None:
            found.unreadable.append({"file": file, "reason": reason})
    found.expected_pixels_sha256 = annotations.header.get("notes", {}).get("pixels_sha256")
    if found.expected_pixels_sha256 is not None and not (found.missing or found.unreadable):
        found.pixels_sha256 = _pixels_sha256(annotations)
    found.duplicates_across_splits = sorted(
        group for group in same.values() if len(set.union(*(splits[file] for file in group))) > 1
    )
    return found


def _pixels_sha256(annotations: Annotations) -> str:
    """One after the other: what is hashed depends on the order of the records."""
    digest = hashlib.sha256()
    for record in annotations.records:
        image = decode(read_image(annotations.image_root / record.file))
        digest.update(np.asarray(image.convert("RGB")).tobytes())
    return digest.hexdigest()


def check_images(
    root: Path, files: Sequence[str], *, workers: int | None = None, progress: bool = True
) -> list[tuple[str, str]]:
    """Decode every file; return those that cannot be used, each with the reason."""
    return [
        (file, reason) for file, _, reason in _scan(root, sorted(set(files)), workers, progress) if reason is not None
    ]


def _scan(
    root: Path, files: Sequence[str], workers: int | None, progress: bool
) -> list[tuple[str, str | None, str | None]]:
    """(file, SHA-256 of its bytes or None, what is wrong or None) for every file, in order.

    Threads suffice: Pillow decodes outside the interpreter's lock.
    """

    def look(file: str) -> tuple[str, str | None, str | None]:
        digest = None
        try:
            data = read_image(root / file)
            digest = sha256_bytes(data)
            decode(data)
        except BadImageError as error:
            return file, digest, str(error)
        return file, digest, None

    with ThreadPoolExecutor(workers or os.cpu_count() or 1) as pool:
        bar = progress_bar(pool.map(look, files), total=len(files), what="checking images", shown=progress)
        return list(bar)
