"""What an index says of itself: `index.json`, written once, when it is made."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tbpsbench.errors import CheckpointError, DataError
from tbpsbench.files import write_json
from tbpsbench.reading import read_json, shown
from tbpsbench.system import System

VERSION = 1
DESCRIPTION = "index.json"
LOCK = "lock"
# Values of a description: (type, whether they may be empty). What else an index's kind takes its own class checks.
VALUES: Mapping[str, tuple[type, bool]] = {
    "version": (int, False), "dim": (int, False), "pictures": (str, False), "system.name": (str, True),
    "system.fingerprint": (str, False), "system.checkpoint": (str, True), "index.type": (str, False),
}  # fmt: skip


def write_description(
    folder: Path, system: System, pictures: str | Path, checkpoint: str | Path, index: Mapping[str, Any]
) -> dict[str, Any]:
    """Describe a new index in an empty folder, or one that is not there yet.

    Raises:
        DataError: if the folder holds something.
        StorageError: if it cannot be written.
    """
    begun = {f".{DESCRIPTION}.tmp", LOCK}  # what a process leaves that was killed, or failed, while it made an index
    if folder.exists() and (not folder.is_dir() or {path.name for path in folder.iterdir()} - begun):
        raise DataError(f"{shown(folder)}: is there already and no index. Choose another folder.")
    told = {
        "version": VERSION,
        "system": {
            "name": system.name,
            "fingerprint": system.fingerprint,
            "checkpoint": _kept(Path(checkpoint)) if str(checkpoint) else "",
        },
        "pictures": str(Path(pictures).resolve()),
        "dim": system.model.joint_dim,
        "index": dict(index),
    }
    write_json(folder / DESCRIPTION, told)
    return told


def _kept(checkpoint: Path) -> str:
    """Where a checkpoint lies; a graph may be a link out of the folder that describes it."""
    return str(checkpoint.absolute() if checkpoint.suffix == ".onnx" else checkpoint.resolve())


def clear(folder: Path) -> None:
    """Empty the folder of an index that could not be made, but for its lock, so that it can be made otherwise."""
    for made in folder.iterdir():
        if made.is_dir():
            shutil.rmtree(made, ignore_errors=True)
        elif not made.name.startswith(LOCK):
            made.unlink(missing_ok=True)


def describe(folder: str | Path) -> dict[str, Any]:
    """What an index says of itself, without loading its system.

    Raises:
        DataError: if the folder holds no index, or one of a newer version, or a value is not what it can be.
    """
    folder = Path(folder)
    if not (folder / DESCRIPTION).is_file():
        raise DataError(
            f"{shown(folder)}: holds no index. Make one: python tools/index.py CHECKPOINT IMAGES --out {shown(folder)}"
        )
    told = read_json(folder / DESCRIPTION)
    if odd := _oddity(told):
        raise DataError(
            f"{folder / DESCRIPTION}: not the description of an index of version {VERSION} ({odd}). Build it again."
        )
    return dict(told)


def _oddity(told: Any) -> str:
    """The first value that no index can have; "" if there is none."""
    for key, (kind, may_be_empty) in VALUES.items():
        value = told
        for part in key.split("."):
            value = value.get(part) if isinstance(value, dict) else None
        if type(value) is not kind or not (value or may_be_empty):
            return f"{key} is {value!r:.100}"
    if told["version"] != VERSION:
        return f"version is {told['version']}"
    return "" if told["dim"] > 0 else f"dim is {told['dim']}"


def require_same(folder: Path, told: Mapping[str, Any], system: System) -> None:
    """Refuse a system whose vectors are not those of the index.

    Raises:
        CheckpointError: if its fingerprint is another.
        DataError: if the index says of its vectors that they are of another width.
    """
    made_by = told["system"]
    if made_by["fingerprint"] != system.fingerprint:
        raise CheckpointError(
            f"{folder}: holds vectors of the system {made_by['name']!r} ({made_by['fingerprint'][:12]}); those of "
            f"{system.name!r} ({system.fingerprint[:12]}) cannot be compared with them. Use the checkpoint that the "
            "index was made with, or make an index with this one: python tools/index.py CHECKPOINT IMAGES --out FOLDER"
        )
    if told["dim"] != (width := system.model.joint_dim):
        raise DataError(
            f"{folder / DESCRIPTION}: dim is {told['dim']}, but vectors of {system.name!r} have {width} "
            "numbers: the file is damaged. Build the index again, in another folder."
        )
