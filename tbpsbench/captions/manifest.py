"""What a run of captions was made with, and whether a run that goes on is still the same.

The fingerprint is over all that decides a text: source, prompts, models, decoding, rules, images. Where servers stand,
what they cost, how many are asked at once and how much may be spent decides nothing and may change.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from tbpsbench import __version__
from tbpsbench.captions.store import read_lines
from tbpsbench.errors import ConfigError
from tbpsbench.files import write_json
from tbpsbench.reading import read_json
from tbpsbench.types import ImageRecord

Resume = Literal["never", "always", "same"]
NAME = "manifest.json"
SCHEMA = 1


@dataclass(frozen=True)
class Made:
    """What decides the texts of a run.

    Attributes:
        source: the CAPTION_SOURCES component.
        dataset: the DATASETS component, without its root.
        annotations_sha256: of the annotation file that lists the images.
        splits: those whose images are captioned.
        images_sha256: of the list of these images.
        prompts: name -> {"version", "text"}.
        models: what it is for -> the model's name and whether it is simulated.
        decoding: temperature and the like.
        retriever: hash of the trained system that answers are held against, or None.
    """

    source: Mapping[str, Any]
    dataset: Mapping[str, Any]
    annotations_sha256: str
    splits: tuple[str, ...]
    images_sha256: str
    prompts: Mapping[str, Mapping[str, str]]
    models: Mapping[str, Mapping[str, Any]]
    decoding: Mapping[str, Any]
    retriever: Mapping[str, Any] | None = None

    def plain(self) -> dict[str, Any]:
        """As plain data; without what there is none of."""
        found = {key: value for key, value in vars(self).items() if value is not None}
        return json.loads(json.dumps(found, default=_plain))  # type: ignore[no-any-return]

    @property
    def fingerprint(self) -> str:
        """SHA-256 over all of it."""
        return hashlib.sha256(json.dumps(self.plain(), sort_keys=True).encode()).hexdigest()


def open_manifest(folder: Path, made: Made, about: Mapping[str, Any], resume: Resume) -> dict[str, Any]:
    """Write the manifest of a new run, or check that of the run that goes on.

    Args:
        folder: of the run.
        made: what decides its texts.
        about: what else is worth knowing: capabilities of servers, settings that decide nothing.
        resume: "never" wants an empty folder, "same" a run with the same fingerprint, "always" takes any.

    Returns:
        The manifest.

    Raises:
        ConfigError: if the run must not go on; says what differs and what to do.
        StorageError: if the folder cannot be written.
    """
    path = folder / NAME
    there: dict[str, Any] = read_json(path) if path.is_file() else {}
    begun = bool(there) and next(read_lines(folder, "records"), None) is not None
    if begun and resume == "never":
        raise ConfigError(
            f"{folder}: holds captions already. Give another name= or out=, delete the folder, or go on with "
            "--resume same."
        )
    if begun and there["fingerprint"] != made.fingerprint and resume != "always":
        differs = "".join(f"\n  {line}" for line in differences(there["made"], made.plain()))
        raise ConfigError(
            f"{folder}: its captions were made otherwise:{differs}\nGive another name= or out=, or --resume always, "
            "which mixes both and says so in the manifest."
        )
    now = datetime.now(UTC).isoformat(timespec="seconds")
    history = list(there["history"]) if begun else []
    if not history or history[-1]["fingerprint"] != made.fingerprint:
        history.append({"from": now, "fingerprint": made.fingerprint, "made": made.plain()})
    manifest = {
        "schema": SCHEMA, "fingerprint": made.fingerprint, "made": made.plain(), "about": dict(about),
        "created": there["created"] if begun else now, "continued": now, "history": history,
        "tool_version": __version__,
    }  # fmt: skip
    write_json(path, manifest)
    return manifest


def fingerprints_in(folder: Path) -> list[str]:
    """What the run in a folder was made with so far; nothing where none was begun."""
    path = folder / NAME
    there = read_json(path) if path.is_file() else {}
    return [made["fingerprint"] for made in there.get("history", ())]


def differences(old: Mapping[str, Any], new: Mapping[str, Any], place: str = "") -> list[str]:
    """Where two nested values differ, as lines for a person."""
    found = []
    for key in sorted({*old, *new}):
        one, other, here = old.get(key), new.get(key), f"{place}{key}"
        if isinstance(one, Mapping) and isinstance(other, Mapping):
            found += differences(one, other, f"{here}.")
        elif one != other:
            found.append(f"{here}: {one!r:.80} before, {other!r:.80} now")
    return found


def images_sha256(records: Iterable[ImageRecord]) -> str:
    """Hash of a list of images: which, in which split."""
    digest = hashlib.sha256()
    for record in records:
        digest.update(f"{record.image_id}\t{record.file}\t{record.split}\n".encode())
    return digest.hexdigest()


def _plain(value: Any) -> Any:
    return dict(value) if isinstance(value, Mapping) else list(value)
