"""Find and read records: folders that hold record.json and ranks.npz."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tbpsbench.errors import DataError
from tbpsbench.reading import parse_json, read_bytes, shown

RECORD = "record.json"
# A record of ours has 10 kB.
MAX_RECORD = 4 << 20


def read_record(folder: str | Path) -> dict[str, Any]:
    """One record's JSON.

    Args:
        folder: holds record.json and ranks.npz; the path of a record.json is taken, too.

    Raises:
        DataError: if it is missing, damaged or no record.
    """
    path = Path(folder)
    path = path / RECORD if path.is_dir() else path
    if path.exists() and not path.is_file():
        raise DataError(f"{shown(path)}: is no file")
    record = parse_json(read_bytes(path, limit=MAX_RECORD), shown(path))
    if not isinstance(record, dict) or not {"schema", "results", "config", "evidence"} <= set(record):
        raise DataError(f"{path}: not a record of tbpsbench (no schema, results, config or evidence)")
    return record


def find_records(root: str | Path) -> list[Path]:
    """Folders below `root` (or `root` itself) that hold a record, sorted; `root` may be a record.json, too.

    Hidden folders, such as one that a killed process was still filling, hold none.

    Raises:
        DataError: if `root` does not exist.
    """
    root = Path(root)
    if root.name == RECORD and root.is_file():
        return [root.parent]
    if not root.is_dir():
        raise DataError(f"{root}: no such folder of records")
    found = (path.parent for path in root.rglob(RECORD))
    return sorted(folder for folder in found if not any(p.startswith(".") for p in folder.relative_to(root).parts))


def read_records(root: str | Path) -> list[tuple[str, dict[str, Any]]]:
    """(folder relative to `root`, record) of every record below `root`, sorted by folder."""
    return [(folder.relative_to(root).as_posix(), read_record(folder)) for folder in find_records(root)]


def data_name(record: Mapping[str, Any]) -> str:
    """The data set that a record was evaluated on, with the split where it is not the test split."""
    spec = record["spec"]
    return spec["data"] if spec["split"] == "test" else f"{spec['data']} ({spec['split']})"
