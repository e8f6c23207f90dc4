"""From the store of a run to the caption file ROOT/NAME.jsonl, which training reads; and to Parquet."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from tbpsbench.annotations import Annotations, write_annotations
from tbpsbench.captions.manifest import NAME
from tbpsbench.captions.store import KEY, read_lines
from tbpsbench.errors import ConfigError, DataError
from tbpsbench.files import atomic_write
from tbpsbench.reading import parse_json, read_json, shown
from tbpsbench.types import Caption, ImageRecord

MAX_HEADER = 1 << 24
CAPTIONER = "captioner"  # key of `made_from`: the texts were generated, and how


def publish(
    path: Path,
    folder: Path,
    source_type: str,
    human: Annotations,
    images: Sequence[ImageRecord],
    *,
    about: Mapping[str, Any] | None = None,
    partial: bool = False,
) -> Path:
    """Write the caption file of a run.

    Args:
        path: of the file.
        folder: of the run.
        source_type: the source's name in CAPTION_SOURCES.
        human: the data set's own annotations, of which the images are taken.
        images: those that were to be captioned.
        about: what the source found out before the first image, such as its styles.
        partial: also if some have neither a record nor a failure.

    Raises:
        DataError: if images are missing, records are not of these images, or the file holds another run's captions.
        StorageError: if it cannot be written.
    """
    records = {record[KEY]: record for record in read_lines(folder, "records")}
    failed = {line[KEY]: line for line in read_lines(folder, "failed") if line[KEY] not in records}
    wanted = {image.file for image in images}
    missing = wanted - records.keys() - failed.keys()
    if missing and not partial:
        raise DataError(
            f"{folder}: {len(missing)} of {len(wanted)} images have no caption yet, e.g. {min(missing)!r}. Let the run "
            "finish, or publish what is there with --partial."
        )
    if not records:
        raise DataError(f"{folder}: no image has a caption: there is nothing to publish")
    if strange := sorted(records.keys() - {record.file for record in human.records}):
        raise DataError(f"{folder}: has a caption of {strange[0]!r}, which {human.path} does not have")
    manifest = read_json(folder / NAME)
    require_own(path, [made["fingerprint"] for made in manifest["history"]])
    made = manifest["made"]
    captioner = {
        "source": source_type,
        "models": {who: model["model"] for who, model in made["models"].items()},
        "prompts": {name: prompt["version"] for name, prompt in made["prompts"].items()},
        "decoding": made["decoding"],
        "fingerprint": manifest["fingerprint"],
        "mixed": len(manifest["history"]) > 1,
        "captions_sha256": human.sha256,
        "splits": made["splits"],
        **(about or {}),
    }
    simulated = {who: model["simulated"] for who, model in made["models"].items() if model["simulated"]}
    notes: dict[str, Any] = {
        "about": "generated from the images; no person has written or checked these texts",
        "captioned": len(records), "failed": len(failed), "missing": len(missing),
        "failures": dict(Counter(line["reason"] for line in failed.values()).most_common()),
        **({"simulated": simulated} if simulated else {}),
    }  # fmt: skip
    return write_annotations(
        path, human.dataset, path.stem, _with_texts(human, records, path.stem),
        images=str(human.header["images"]),
        made_from={**human.header.get("made_from", {}), CAPTIONER: captioner},
        notes=notes,
    )  # fmt: skip


def require_own(path: Path, fingerprints: Collection[str]) -> None:
    """Refuse to write captions over those of another run, or over what is no run's.

    Args:
        path: of the caption file, which need not be there.
        fingerprints: of the run, now and before.

    Raises:
        DataError: if the file holds something else than this run's captions.
    """
    if not path.is_file():
        return
    if _fingerprint(path) not in fingerprints:
        raise DataError(
            f"{shown(path)}: holds captions that this run has not made, and would be written over. Give this source "
            "another name (source.name), or move or delete the file."
        )


def _fingerprint(path: Path) -> str | None:
    """Of the run that made a caption file; None if none did."""
    with path.open("rb") as stream:
        head = stream.readline(MAX_HEADER)
    try:
        return str(parse_json(head, shown(path))["made_from"][CAPTIONER]["fingerprint"])
    except (DataError, KeyError, TypeError):
        return None


def _with_texts(human: Annotations, records: Mapping[str, Mapping[str, Any]], source: str) -> list[ImageRecord]:
    found, count = [], 0
    for image in human.records:
        captions = []
        for text in records[image.file]["texts"] if image.file in records else ():
            style = None if text["style"] is None else f"style-{text['style']}"
            captions.append(
                Caption(text["text"], text["role"], image.image_id, source, image.split, count, "image", style)
            )
            count += 1
        found.append(replace(image, captions=tuple(captions), attributes={}))
    return found


def compact(folder: Path) -> Path:
    """Write all records of a run into one Parquet file, which tools for tables read; nested values are JSON there.

    Raises:
        ConfigError: if pyarrow is not installed.
        StorageError: if it cannot be written.
    """
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ModuleNotFoundError:
        raise ConfigError("--compact needs pyarrow: pip install 'tbpsbench[mllm]'") from None
    columns: dict[str, list[Any]] = {}
    rows = list(read_lines(folder, "records"))
    for key in sorted({key for row in rows for key in row}):
        values = [row.get(key) for row in rows]
        nested = any(isinstance(value, dict | list) for value in values)
        columns[key] = [json.dumps(v, sort_keys=True, ensure_ascii=False) for v in values] if nested else values
    path = folder / "records.parquet"
    with atomic_write(path) as stream:
        pq.write_table(pa.table(columns), stream)
    return path
