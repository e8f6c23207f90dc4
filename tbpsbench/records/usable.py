"""Which records can be shown: the one gate between a folder of anybody's records and the tools that read it.

Boards, comparisons, the doctor and suites take what passes here and name what does not: one odd record costs nobody
else theirs. Whether a record is true is another question, which `verify` asks.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tbpsbench.errors import DataError
from tbpsbench.reading import require_text, shown
from tbpsbench.records.identity import annotations_sha256
from tbpsbench.records.names import DIGITS, record_folder
from tbpsbench.records.read import RECORD, find_records, read_record
from tbpsbench.records.schema import FIX, schema_problems

# More seeds than a cell of a table has room for.
MAX_SEEDS = 1000
MAX_LINE = 500


@dataclass(frozen=True)
class Usable:
    """The records below a folder.

    Attributes:
        root: the folder; of a record that was named by its file, the folder that it lies in.
        records: (folder relative to the root, record) of those that can be shown, sorted by folder.
        left_out: (folder relative to the root, why) of the others.
    """

    root: Path
    records: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    left_out: list[tuple[str, str]] = field(default_factory=list)

    def report(self) -> str:
        """The records that were left out, one a line, and how many; "" if none was."""
        if not self.left_out:
            return ""
        lines = [f"left out: {folder}: {why}" for folder, why in self.left_out]
        count = f"{len(self.left_out)} of {len(self.left_out) + len(self.records)} records"
        return "\n".join([*lines, f"{self.root}: {count} cannot be shown; verify says more"])


def usable_records(root: str | Path) -> Usable:
    """Every record below `root` that can be shown, and why the others cannot.

    Raises:
        DataError: if `root` does not exist.
    """
    folders = find_records(root)
    found = Usable(Path(root) if Path(root).is_dir() else Path(root).parent)
    for folder in folders:
        name = folder.relative_to(found.root).as_posix()
        try:
            found.records.append((require_text(name, "the folder's name"), read_usable(folder)))
        except DataError as error:
            found.left_out.append((shown(name), _printable(str(error))))
    return found


def read_usable(folder: str | Path) -> dict[str, Any]:
    """One record that can be shown.

    Raises:
        DataError: if it is missing, damaged, not well-formed, or cannot be shown; names file and key.
    """
    path = Path(folder)
    path = path / RECORD if path.is_dir() else path
    record = read_record(path)
    if why := why_unusable(record):
        raise DataError(_printable(f"{shown(path)}: {why}"))
    return record


def free_folder(root: Path, record: Mapping[str, Any]) -> Path:
    """Where a run puts its record below `root`: in its own folder, beside a record there that asked other captions."""
    folder = root / record_folder(record)
    try:
        there = read_usable(folder)
    except DataError:
        return folder
    asked = annotations_sha256(record)
    return folder if annotations_sha256(there) == asked else folder.with_name(f"{folder.name}_on-{asked[:DIGITS]}")


def why_unusable(record: Mapping[str, Any]) -> str:
    """Why a record that was read as JSON cannot be shown, with what to do; "" if it can."""
    if problems := schema_problems(record):
        return str(problems[0])
    place, message = next(_problems(record), ("", ""))
    return f"{place}: {message}\n    {FIX}" if place else ""


def _problems(record: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """What tables cannot take and the shape of a record leaves open: (place, what is wrong)."""
    seeds = record["suite"].get("seeds", ())
    if len(seeds) > MAX_SEEDS:
        yield "suite.seeds", f"are {len(seeds)}, more than {MAX_SEEDS}"
    if not any(source["role"] == "captions" for source in record["data"]["sources"]):
        yield "data.sources", "name no file with the captions that were asked"


def _printable(message: str) -> str:
    """A message that names keys of a stranger's: nothing in it steers a terminal, and no line fills the screen."""
    lines = [shown(line) for line in message.split("\n")]
    half = MAX_LINE // 2
    return "\n".join(line if len(line) <= MAX_LINE else f"{line[:half]}...{line[-half:]}" for line in lines)
