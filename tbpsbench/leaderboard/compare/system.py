"""The records of one system, one for each seed: what a comparison takes on each side."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tbpsbench.arguments import did_you_mean
from tbpsbench.errors import DataError
from tbpsbench.records.identity import annotations_sha256
from tbpsbench.records.read import data_name, find_records, read_record
from tbpsbench.records.schema import schema_problems


@dataclass(frozen=True)
class System:
    """The records of one system, one for each seed.

    Attributes:
        name: of the system.
        folders, records: in the order of the seeds.
    """

    name: str
    folders: tuple[Path, ...]
    records: tuple[dict[str, Any], ...]

    @property
    def seeds(self) -> list[int]:
        """Seeds of the records."""
        return [record["seed"] for record in self.records]


def read_system(places: str | Path | Iterable[str | Path]) -> System:
    """The records of one system.

    Args:
        places: folders of records, or folders that hold them.

    Raises:
        DataError: if there is none, they are of several systems or data sets, or a seed occurs twice.
    """
    wanted = [places] if isinstance(places, str | Path) else list(places)
    folders = sorted({folder for place in wanted for folder in find_records(place)})
    if not folders:
        raise DataError(f"{listed(wanted)}: no record.json below it")
    records = [read_record(folder) for folder in folders]
    for folder, record in zip(folders, records, strict=True):
        if problems := schema_problems(record):
            raise DataError(f"{folder}: {problems[0]}")
    order = sorted(range(len(folders)), key=lambda i: (records[i]["seed"], folders[i]))
    folders, records = [folders[i] for i in order], [records[i] for i in order]
    kinds = {(r["name"], r["system_sha256"][:8], data_name(r), annotations_sha256(r)[:8], r["track"]) for r in records}
    if len(kinds) > 1:
        shown = "".join(f"\n  {' '.join(kind)}" for kind in sorted(kinds))
        raise DataError(f"{listed(wanted)}: records of {len(kinds)} systems or data sets:{shown}\nName one of them.")
    seeds = [record["seed"] for record in records]
    if len(set(seeds)) < len(seeds):
        twice = ", ".join(str(folder) for folder, seed in zip(folders, seeds, strict=True) if seeds.count(seed) > 1)
        raise DataError(f"{twice}: the same seed more than once. Keep one of them.")
    return System(records[0]["name"], tuple(folders), tuple(records))


def find_system(name: str, records: str | Path, data: str | None = None) -> list[Path]:
    """Folders of a system's records: `name` is a folder of them, or a system's name below `records`.

    Args:
        name: a folder, or the name of a system.
        records: root of all records.
        data: name of the evaluated data set; by default the one that the system was trained on.

    Raises:
        DataError: if there is no such system on these data; names those that there are.
    """
    if Path(name).is_dir():
        return find_records(name)
    every = [(folder, read_record(folder)) for folder in find_records(records)]
    own = [
        folder
        for folder, record in every
        if record["name"] == name and data_name(record) == (data or record["spec"].get("trained_on", data_name(record)))
    ]
    if not own:
        there = sorted({f"{record['name']} on {data_name(record)}" for _, record in every})
        near = did_you_mean(name, {record["name"] for _, record in every})
        where = f" on {data}" if data else ""
        raise DataError(f"{records}: no record of {name!r}{where}.{near} There are: {listed(there) or 'none'}")
    return own


def listed(values: Sequence[object]) -> str:
    """Values with commas between them."""
    return ", ".join(map(str, values))
