"""The annotation file: one JSONL per data set and caption source, versioned and hashed.

Line 1 is a header, every other line one image with its captions:

    {"tbpsbench_annotations": 1, "dataset": "MiniPEDES", "source": "human", "images": "images", "made_from": {...},
     "counts": {"train": {"ids": 3, "images": 6, "captions": 12}, ...}, "notes": {...}}
    {"image_id": 0, "file": "000000.png", "pid": 7, "split": "train", "camera": 2, "outfit": "A",
     "captions": [{"caption_id": 0, "role": "query", "text": "...", "style": "terse"}], "attributes": {...}}

`images` is the image folder relative to the annotation file. `pid` is unique over splits. Reading checks everything
that can be checked without opening an image; all problems are listed at once.
"""

from __future__ import annotations

import json
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tbpsbench.errors import DataError
from tbpsbench.files import atomic_write, sha256_file
from tbpsbench.reading import parse_json, read_jsonl, shown
from tbpsbench.types import Caption, ImageRecord

VERSION = 1
MAX_WORDS = 1000
MAX_SHOWN = 20
MAX_NAME = 200  # characters of what tables, plots and folders are called by
SPLIT_FAMILIES = ("train", "val", "test")


@dataclass(frozen=True)
class Annotations:
    """A data set as read from its annotation file.

    Attributes:
        dataset, source: names from the header.
        path: the annotation file.
        image_root: folder that the records' `file` is relative to.
        records: one per image, `image_id` equals the position.
        sha256: of the annotation file.
        header: the header line whole (counts, made_from, notes).
    """

    dataset: str
    source: str
    path: Path
    image_root: Path
    records: tuple[ImageRecord, ...]
    sha256: str
    header: Mapping[str, Any] = field(default_factory=dict)

    def split(self, name: str) -> list[ImageRecord]:
        """Records of one split, in file order."""
        return [record for record in self.records if record.split == name]

    def splits(self) -> list[str]:
        """Names of the splits that occur, in order of first appearance."""
        return list(dict.fromkeys(record.split for record in self.records))


def counts(records: Iterable[ImageRecord]) -> dict[str, dict[str, int]]:
    """Identities, images and query captions of every split."""
    pids: dict[str, set[int]] = defaultdict(set)
    images: dict[str, int] = defaultdict(int)
    captions: dict[str, int] = defaultdict(int)
    for record in records:
        pids[record.split].add(record.pid)
        images[record.split] += 1
        captions[record.split] += sum(caption.role == "query" for caption in record.captions)
    return {split: {"ids": len(pids[split]), "images": images[split], "captions": captions[split]} for split in images}


def write_annotations(
    path: str | Path,
    dataset: str,
    source: str,
    records: Iterable[ImageRecord],
    *,
    images: str = "images",
    made_from: Mapping[str, Any] | None = None,
    notes: Mapping[str, Any] | None = None,
) -> Path:
    """Write an annotation file atomically, after the checks that reading makes.

    Raises:
        DataError: listing every record that is not sound.
        StorageError: if the file cannot be written.
    """
    path, records = Path(path), list(records)
    header: dict[str, Any] = {
        "tbpsbench_annotations": VERSION,
        "dataset": dataset,
        "source": source,
        "images": images,
        "made_from": {} if made_from is None else made_from,
        "notes": {} if notes is None else notes,
    }
    lines, problems = list(map(_to_json, records)), [] if (bad := _header_problems(header)) is None else [bad]
    for line in (header, *lines):
        try:
            read_back = parse_json(_dumps(line, ascii_only=True).encode(), "a line")
            if line is not header:
                _from_json(read_back, source)
        except (DataError, KeyError, TypeError, ValueError, RecursionError) as error:
            problems.append(f"image {line['file']!r:.80}: {error}" if line is not header else f"the header: {error}")
    raise_problems(path, problems or record_problems(records))
    with atomic_write(path, "w") as stream:
        for line in (header | {"counts": counts(records)}, *lines):
            stream.write(_dumps(line) + "\n")
    return path


def read_annotations(path: str | Path) -> Annotations:
    """Read and check an annotation file.

    Raises:
        DataError: if it is missing, damaged, of another version, or contradicts itself; all problems at once.
    """
    path, lines = Path(path), read_jsonl(path)
    _, header = next(lines, (0, None))
    if not isinstance(header, Mapping) or "tbpsbench_annotations" not in header:
        raise DataError(f"{path}: not an annotation file (its first line has no 'tbpsbench_annotations').")
    if header["tbpsbench_annotations"] != VERSION or isinstance(header["tbpsbench_annotations"], bool):
        raise DataError(
            f"{path}: annotation format {header['tbpsbench_annotations']!r:.40}, this program reads {VERSION}. "
            "Create the file again with tools/prepare_data.py."
        )
    if bad := _header_problems(header):
        raise DataError(f"{path}:1: {bad}. Create the file again.")
    records, problems = [], []
    for number, line in lines:
        try:
            records.append(_from_json(line, header["source"]))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            reason = f"has no {error}" if isinstance(error, KeyError) else str(error)
            problems.append(f"line {number}: {reason}")
    problems += record_problems(records) if not problems else []
    if not problems and header.get("counts", counts(records)) != counts(records):
        problems.append(
            f"the header counts {header['counts']!r:.300}, the file holds {counts(records)}: is it complete?"
        )
    raise_problems(path, problems)
    return Annotations(
        dataset=header["dataset"],
        source=header["source"],
        path=path,
        image_root=path.parent / header["images"],
        records=tuple(records),
        sha256=sha256_file(path),
        header=header,
    )


def raise_problems(path: Path, problems: list[str]) -> None:
    """Raise one DataError that lists up to 20 problems and counts the rest."""
    if problems:
        listed = "".join(f"\n  {problem}" for problem in problems[:MAX_SHOWN])
        more = f"\n  ... and {len(problems) - MAX_SHOWN} more" if len(problems) > MAX_SHOWN else ""
        raise DataError(f"{shown(path)}: {len(problems)} problem{'s' * (len(problems) > 1)}{listed}{more}")


def record_problems(records: Iterable[ImageRecord]) -> list[str]:
    """What is wrong with these records: ids in two splits, empty or endless captions, numbers out of order."""
    problems: list[str] = []
    families: dict[int, dict[str, int]] = defaultdict(dict)
    captions = 0
    for position, record in enumerate(records):
        where = f"image {record.file!r:.80} (image_id {record.image_id})"
        if record.image_id != position:
            problems.append(f"{where}: image_id must be {position}, its position")
        if not record.file or _leaves(record.file):
            problems.append(f"{where}: the file must lie below the image folder")
        family, *suffix = record.split.split("-")
        if family not in SPLIT_FAMILIES or (family == "train" and suffix) or not _is_name(record.split):
            problems.append(f"{where}: split {record.split!r:.80} is not one of train, val, test, val-..., test-...")
        families[record.pid].setdefault(family, record.image_id)
        for caption in record.captions:
            if caption.caption_id != captions:
                problems.append(f"{where}: caption_id {caption.caption_id} must be {captions}, its position")
            captions += 1
            if is_blank(caption.text):
                problems.append(f"{where}: caption {caption.caption_id} is empty")
            elif (words := len(caption.text.split())) > MAX_WORDS:
                problems.append(f"{where}: caption {caption.caption_id} has {words} words, more than {MAX_WORDS}")
    for pid, seen in families.items():
        if len(seen) > 1:
            spread = ", ".join(f"{family} (image_id {image})" for family, image in seen.items())
            problems.append(f"identity {pid} is in several splits: {spread}; splits must not share identities")
    return problems


def is_blank(text: str) -> bool:
    """Whether nothing of a text can be seen: spaces, control characters, zero-width ones."""
    return all(unicodedata.category(character) in ("Cc", "Cf", "Zs", "Zl", "Zp") for character in text)


def _header_problems(header: Mapping[str, Any]) -> str | None:
    """What is wrong with a header besides its version and counts, or None."""
    if missing := [key for key in ("dataset", "source", "images") if not isinstance(header.get(key), str)]:
        return f"the header lacks {', '.join(missing)}"
    for key in ("dataset", "source"):
        if not _is_name(header[key]):
            return f"the header's {key} is {header[key]!r:.80}, expected a printable name of 1 to {MAX_NAME} characters"
    if _leaves(header["images"]):
        return f"the header's images is {header['images']!r:.80}, expected a folder beside or below this file"
    for key in ("made_from", "notes"):
        if not isinstance(header.get(key, {}), Mapping):
            return f"the header's {key} is {header[key]!r:.80}, expected an object"
    for key in ("domain", "size"):  # part of what MiniPEDES is called
        if not _is_name(header.get("made_from", {}).get(key, "-")):
            return f"the header's made_from.{key} is {header['made_from'][key]!r:.80}, expected a name"
    return None


def _is_name(value: Any) -> bool:
    return isinstance(value, str) and 0 < len(value) <= MAX_NAME and value.isprintable()


def _leaves(file: str) -> bool:
    """Whether a path may lead out of the folder that it is relative to."""
    return Path(file).is_absolute() or ".." in Path(file).parts


def _dumps(line: Mapping[str, Any], *, ascii_only: bool = False) -> str:
    return json.dumps(line, ensure_ascii=ascii_only, sort_keys=True, allow_nan=False, default=_object)


def _object(value: Any) -> dict[str, Any]:
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{value!r:.80} is not plain data")


def _to_json(record: ImageRecord) -> dict[str, Any]:
    line: dict[str, Any] = {
        "image_id": record.image_id,
        "file": record.file,
        "pid": record.pid,
        "split": record.split,
        "captions": [
            {
                "caption_id": caption.caption_id,
                "role": caption.role,
                "text": caption.text,
                "derived_from": caption.derived_from,
                **({"style": caption.style} if caption.style is not None else {}),
            }
            for caption in record.captions
        ],
    }
    for key in ("camera", "outfit"):
        if getattr(record, key) is not None:
            line[key] = getattr(record, key)
    return line | ({"attributes": record.attributes} if record.attributes else {})


def _from_json(line: Any, source: str) -> ImageRecord:
    if not isinstance(line, Mapping):
        raise TypeError(f"{line!r:.80} is no record of an image")
    image_id, split = _typed(line, "image_id", int), _typed(line, "split", str)
    captions = tuple(
        Caption(
            text=_typed(item, "text", str),
            role=_typed(item, "role", str),
            image_id=image_id,
            source=source,
            split=split,
            caption_id=_typed(item, "caption_id", int),
            derived_from=_optional(item, "derived_from", str) or "image",
            style=_optional(item, "style", str),
        )
        for item in _typed(line, "captions", list)
    )
    return ImageRecord(
        image_id=image_id,
        file=_typed(line, "file", str),
        pid=_typed(line, "pid", int),
        split=split,
        captions=captions,
        camera=_optional(line, "camera", int),
        outfit=_optional(line, "outfit", str),
        attributes=_optional(line, "attributes", dict) or {},
    )


def _typed(line: Mapping[str, Any], key: str, kind: type) -> Any:
    value = line[key]
    if not isinstance(value, kind) or isinstance(value, bool):
        raise ValueError(f"{key!r} is {value!r:.80}, expected {kind.__name__}")
    return value


def _optional(line: Mapping[str, Any], key: str, kind: type) -> Any:
    return None if line.get(key) is None else _typed(line, key, kind)
