"""Parse the releases of CUHK-PEDES, ICFG-PEDES, RSTPReid and UFine6926 into our annotation format.

All four are one JSON list of {"id": int, "file_path" or "img_path": str, "captions": [str, ...], "split": str}; keys
that we do not need (processed_tokens, ...) are ignored. Every record of the list becomes one image, also where two
records name the same file (ICFG-PEDES has one such pair), so that the counts are the official ones. Some copies
hold one record per caption instead, each image as often as it has captions; they are recognised and joined (`joined`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tbpsbench.annotations import counts, raise_problems, write_annotations
from tbpsbench.errors import DataError
from tbpsbench.files import sha256_file
from tbpsbench.reading import read_json
from tbpsbench.types import Caption, ImageRecord

SPLITS = ("train", "val", "test")
MAX_FOUND_SHOWN = 10
# Share of records that name an image again, from which on a release is taken to have one record per caption. Official
# releases have 0, or 0.00002 (ICFG-PEDES); with two captions per image it is 0.5.
REPEATED = 0.25


@dataclass(frozen=True)
class Release:
    """How a data set is shipped.

    Attributes:
        name: of the data set.
        files: accepted names of the JSON file, in order of preference.
        path_key: the key that holds the image's path.
        images: image folder relative to the root.
        expected: official counts, or None.
    """

    name: str
    files: tuple[str, ...]
    path_key: str
    images: str
    expected: Mapping[str, Mapping[str, int]] | None


def prepare_release(
    root: str | Path,
    release: Release,
    *,
    splits_file: str | Path | None = None,
    allow_partial: bool = False,
    allow_missing: bool = False,
) -> Path:
    """Write ROOT/human.jsonl (see `PersonSearchDataset.prepare`)."""
    source = find_release(Path(root), release)
    items = _items(source)
    if splits_file is not None:
        add_splits(source, items, release.path_key, splits_file)
    elif all(isinstance(item, dict) and "split" not in item and release.path_key in item for item in items):
        raise DataError(
            f"{source}: none of its {len(items)} records has a 'split'. This is the file as first released; the "
            "official split came later (reid_raw.json has it), and a random one would make results incomparable. "
            f"Use one of {', '.join(release.files)} with splits, or give them with --splits FILE: "
            'JSON, {"path of an image or id": "train" | "val" | "test"}.'
        )
    raise_problems(source, list(item_problems(items, release.path_key)))
    items = joined(source, items, release.path_key)
    records = to_records(items, release.path_key)
    made_from = {"file": source.name, "sha256": sha256_file(source), "counts": counts(records)}
    if splits_file is not None:
        made_from |= {"splits_file": Path(splits_file).name, "splits_sha256": sha256_file(splits_file)}
    notes = check_counts(source, counts(records), release.expected, allow_partial)
    if allow_missing:
        items, missing = those_that_are_there(Path(root) / release.images, items, release.path_key)
        records = to_records(items, release.path_key)
        notes |= {"partial": True, "missing_images": missing} if missing else {}
    path = Path(root) / "human.jsonl"
    return write_annotations(
        path, release.name, "human", records, images=release.images, made_from=made_from, notes=notes
    )


def find_release(root: Path, release: Release) -> Path:
    """The JSON file of the release.

    Raises:
        DataError: listing the accepted names and what is there instead.
    """
    for name in release.files:
        if (root / name).is_file():
            return root / name
    if not root.is_dir():
        raise DataError(f"{root}: no such folder. It must contain {' or '.join(release.files)} and {release.images}/.")
    there = sorted(path.name + "/" * path.is_dir() for path in root.iterdir())
    more = ", ..." if len(there) > MAX_FOUND_SHOWN else ""
    raise DataError(
        f"{root}: no {' or '.join(release.files)} of {release.name}. "
        f"In the folder: {', '.join(there[:MAX_FOUND_SHOWN]) or 'nothing'}{more}"
    )


def _items(source: Path) -> list[Any]:
    items = read_json(source)
    if not isinstance(items, list):
        raise DataError(f"{source}: expected a list of records, found {type(items).__name__}")
    if not items:
        raise DataError(f"{source}: the list of records is empty")
    return items


def add_splits(source: Path, items: list[Any], path_key: str, splits_file: str | Path) -> None:
    """Write the splits of `splits_file` into the records.

    Raises:
        DataError: if the records have splits of their own, or the file is not a mapping or leaves records out.
    """
    splits = read_json(splits_file)
    if not isinstance(splits, dict):
        raise DataError(f"{splits_file}: expected an object that maps a path or id to a split")
    problems = []
    for number, item in enumerate(items):
        if not isinstance(item, dict):
            continue
        if "split" in item:
            raise DataError(f"{source}: record {number} has a split of its own: leave out --splits {splits_file}")
        keys = (str(item.get(path_key)), str(item.get("id")))
        split = next((splits[key] for key in keys if key in splits), None)
        if split is None:
            problems.append(f"no split for record {number}: neither {keys[0]!r:.80} nor id {keys[1]:.40}")
        item["split"] = split
    raise_problems(Path(splits_file), problems)


def item_problems(items: list[Any], path_key: str) -> Iterator[str]:
    """Missing keys and wrong types, one line per record."""
    for number, item in enumerate(items):
        if not isinstance(item, dict):
            yield f"record {number}: expected an object, found {item!r:.60}"
            continue
        where = f"record {number} ({path_key} {item.get(path_key)!r:.80})"
        if missing := [key for key in ("id", path_key, "captions", "split") if key not in item]:
            yield f"{where}: no {', '.join(repr(key) for key in missing)}"
            continue
        if not isinstance(item["id"], int) or isinstance(item["id"], bool):
            yield f"{where}: 'id' is {item['id']!r:.60}, expected a whole number"
        if not isinstance(item[path_key], str) or not item[path_key]:
            yield f"{where}: {path_key!r} is {item[path_key]!r:.60}, expected a path"
        if item["split"] not in SPLITS:
            yield f"{where}: 'split' is {item['split']!r:.60}, expected train, val or test"
        captions = item["captions"]
        if not isinstance(captions, list) or not captions or not all(isinstance(text, str) for text in captions):
            yield f"{where}: 'captions' is {captions!r:.60}, expected a list of at least one text"


def to_records(items: list[dict[str, Any]], path_key: str) -> list[ImageRecord]:
    """Records in file order; all captions are kept, however many an image has."""
    records, caption_id = [], 0
    for image_id, item in enumerate(items):
        captions = []
        for text in item["captions"]:
            captions.append(Caption(text, "query", image_id, "human", item["split"], caption_id, derived_from="image"))
            caption_id += 1
        records.append(ImageRecord(image_id, item[path_key], item["id"], item["split"], tuple(captions)))
    return records


def joined(source: Path, items: list[dict[str, Any]], path_key: str) -> list[dict[str, Any]]:
    """One item per image, with all its captions, where the release has one record per caption; else the items.

    It has, if all records hold one caption each and at least every fourth names an image that an earlier one names.

    Raises:
        DataError: if records of one image contradict each other.
    """
    images: dict[str, dict[str, Any]] = {}
    for item in items:
        images.setdefault(item[path_key], item)
    if any(len(item["captions"]) != 1 for item in items) or len(items) - len(images) < REPEATED * len(items):
        return items
    texts: dict[str, list[str]] = {path: [] for path in images}
    problems = []
    for number, item in enumerate(items):
        first = images[item[path_key]]
        if (item["id"], item["split"]) != (first["id"], first["split"]):
            problems.append(
                f"record {number} ({path_key} {item[path_key]!r:.80}): id {item['id']} in {item['split']}; an earlier "
                f"record of this image has id {first['id']} in {first['split']}"
            )
        texts[item[path_key]] += item["captions"]
    raise_problems(source, problems)
    return [{**item, "captions": texts[path]} for path, item in images.items()]


def those_that_are_there(images: Path, items: list[dict[str, Any]], path_key: str) -> tuple[list[dict[str, Any]], int]:
    """The items whose image file exists, and how many others there are.

    Raises:
        DataError: if no image is there.
    """
    found = [item for item in items if _is_there(images, item[path_key])]
    if not found:
        raise DataError(
            f"{images}: none of the {len(items)} images of the release is there, e.g. {items[0][path_key]!r:.80}. "
            "Copy them there."
        )
    return found, len(items) - len(found)


def _is_there(images: Path, file: str) -> bool:
    try:
        return (images / file).is_file()
    except OSError:  # a name that no file can have
        return False


def check_counts(
    source: Path,
    found: Mapping[str, Mapping[str, int]],
    expected: Mapping[str, Mapping[str, int]] | None,
    allow_partial: bool,
) -> dict[str, Any]:
    """Header notes: {} if the counts are the official ones, else what differs, if that is allowed.

    Raises:
        DataError: if they differ and `allow_partial` is False; expected and found side by side.
    """
    if expected is None:
        return {}
    different = [split for split in (*expected, *(s for s in found if s not in expected))
                 if dict(found.get(split, {})) != dict(expected.get(split, {}))]  # fmt: skip
    if not different:
        return {}
    if not allow_partial:
        lines = "".join(
            f"\n  {split}: expected {spell(expected.get(split))}, found {spell(found.get(split))}"
            for split in different
        )
        raise DataError(
            f"{source}: not the official counts{lines}\nGet the complete release, or accept what is there with "
            "--allow-partial: every result that uses it will say so."
        )
    return {"partial": True, "expected": {split: dict(numbers) for split, numbers in expected.items()}}


def spell(numbers: Mapping[str, int] | None) -> str:
    """'3 ids / 6 images / 12 captions'."""
    return " / ".join(f"{value} {name}" for name, value in numbers.items()) if numbers else "nothing"
