"""The records of one system, one for each seed: what a comparison takes on each side."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tbpsbench.arguments import did_you_mean
from tbpsbench.errors import DataError
from tbpsbench.reading import shown
from tbpsbench.records.identity import annotations_sha256, systems
from tbpsbench.records.names import slug
from tbpsbench.records.read import data_name, find_records, read_record
from tbpsbench.records.usable import Usable, read_usable, usable_records


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
        DataError: if there is none, one is damaged, they are of several systems, data sets or query texts, or a seed
            occurs twice.
    """
    wanted = [places] if isinstance(places, str | Path) else list(places)
    folders = sorted({folder for place in wanted for folder in find_records(place)})
    if not folders:
        raise DataError(f"{listed(wanted)}: no record.json below it")
    records = [read_usable(folder) for folder in folders]
    order = sorted(range(len(folders)), key=lambda i: (records[i]["seed"], folders[i]))
    folders, records = [folders[i] for i in order], [records[i] for i in order]
    own = systems(records)
    kinds = {
        (r["name"], own[r["system_sha256"]], data_name(r), annotations_sha256(r), r["track"]): r["system_sha256"][:8]
        for r in records
    }
    if len(kinds) > 1:
        told = [(name, digits, data, texts[:8], track) for (name, _, data, texts, track), digits in kinds.items()]
        shown = "".join(f"\n  {' '.join(kind)}" for kind in sorted(told))
        raise DataError(f"{listed(wanted)}: records of {len(kinds)} systems or data sets:{shown}\nName one of them.")
    seeds = [record["seed"] for record in records]
    if len(set(seeds)) < len(seeds):
        twice = ", ".join(str(folder) for folder, seed in zip(folders, seeds, strict=True) if seeds.count(seed) > 1)
        raise DataError(f"{twice}: the same seed more than once. Keep one of them.")
    return System(records[0]["name"], tuple(folders), tuple(records))


def find_system(name: str, records: str | Path, data: str | None = None) -> list[Path]:
    """Folders of a system's records: `name` is a folder of them, or a system's name below `records`.

    Records that cannot be shown are passed over, unless they may be of this very system.

    Args:
        name: a folder, or the name of a system.
        records: root of all records.
        data: name of the evaluated data set; by default the only one that the system has records on, or of several the
            one that it was trained on.

    Raises:
        DataError: if there is no such system on these data (names those that there are), nothing tells which of several
            is meant, or one of its records is damaged.
    """
    if _is_folder(name):
        return find_records(name)
    found = usable_records(records)
    if damaged := _left_out_of(name, found):
        raise DataError(f"{name}: not all of its records can be compared\n{damaged}")
    own = [(folder, record) for folder, record in found.records if record["name"] == name]
    if not own:
        there = sorted({f"{record['name']} on {data_name(record)}" for _, record in found.records})
        near = did_you_mean(name, {record["name"] for _, record in found.records})
        raise DataError(f"{records}: no record of {name!r}.{near} There are: {shown(listed(there)) or 'none'}")
    on = sorted({data_name(record) for _, record in own})
    if data or len(on) > 1:
        # What an external system was trained on is free text: it may choose among data sets, and must not exclude them.
        own = [row for row in own if data_name(row[1]) == (data or row[1]["spec"].get("trained_on", data_name(row[1])))]
    if not own:
        where = f"no record of {name!r} on {data!r}" if data else f"records of {name!r} on {len(on)} data sets"
        raise DataError(f"{records}: {where}. Name the data with --data: {shown(listed(on))}")
    return [found.root / folder for folder, _ in own]


def _is_folder(name: str) -> bool:
    try:
        return Path(name).is_dir()
    except (OSError, ValueError):  # too long for the name of a folder, or with a NUL
        return False


def _left_out_of(name: str, found: Usable) -> str:
    """The records of this system that cannot be shown: without them a comparison would be of other seeds."""
    return "\n".join(
        f"left out: {folder}: {why}" for folder, why in found.left_out if _is_of(name, found.root / folder)
    )


def _is_of(name: str, folder: Path) -> bool:
    """Whether a damaged record may be of a system: by its folder, or by its name as far as it can be read."""
    if folder.name.startswith(f"{slug(name)}_"):
        return True
    try:
        return read_record(folder).get("name") == name
    except DataError:
        return False


def listed(values: Sequence[object]) -> str:
    """Values with commas between them."""
    return ", ".join(map(str, values))
