"""Which records can be shown: the one gate between a folder of anybody's records and the tools that read it.

Boards, comparisons, the doctor and suites take what passes here and name what does not: one odd record costs nobody
else theirs. Whether a record is true is another question, which `verify` asks.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tbpsbench.errors import DataError
from tbpsbench.reading import require_text, shown
from tbpsbench.records.identity import annotations_sha256
from tbpsbench.records.names import DIGITS, record_folder
from tbpsbench.records.read import RECORD, find_records, read_record
from tbpsbench.records.schema import schema_problems

# A record of ours has 10 kB; nothing in one is counted beyond this, and no table has room for more columns.
MAX_BYTES = 4 << 20
LARGEST = 10**18
MAX_NAMES = 100
MAX_NAME = 300
MAX_SEEDS = 1000
MAX_LINE = 500
FIX = "The record is damaged or was written by another program: create it again with tools/test.py or tools/train.py."


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
    if path.is_file() and (size := path.stat().st_size) > MAX_BYTES:
        raise DataError(f"{shown(path)}: has {size} bytes, more than the {MAX_BYTES} that a record can have")
    if path.exists() and not path.is_file():
        raise DataError(f"{shown(path)}: is no file. Copy the record again from where it was made.")
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
    yield from _results(record["results"])
    yield from _cost(record["cost"])
    yield from _selection(record["selection"])
    seeds = record["suite"].get("seeds", ())
    if len(seeds) > MAX_SEEDS:
        yield "suite.seeds", f"are {len(seeds)}, more than {MAX_SEEDS}"
    if not record["config"]["evaluation"]["protocols"]:
        yield "config.evaluation.protocols", "are none"
    if not any(source["role"] == "captions" for source in record["data"]["sources"]):
        yield "data.sources", "name no file with the captions that were asked"


def _results(results: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    yield from _names("results", results)
    for protocol, result in results.items():
        place = f"results.{protocol}"
        scores = result["scores"]
        yield from _names(f"{place}.scores", scores)
        yield from _names(f"{place}.heads", result["heads"])
        if unknown := [column for column in result["intervals_95"] if column not in scores]:
            yield f"{place}.intervals_95.{unknown[0]}", "is the interval of no score"
        for group in (scores, *result["intervals_95"].values(), *result["heads"].values()):
            for value in group.values() if isinstance(group, Mapping) else group:
                if not _is_number(value):
                    yield place, f"holds {_short(value)}, which is no score in percent"
        for key, value in result.items():
            if isinstance(value, int) and not 0 <= value <= LARGEST:
                yield f"{place}.{key}", f"is {_short(value)}, which is no count"


def _names(place: str, names: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    if len(names) > MAX_NAMES:
        yield place, f"has {len(names)} names, more than the {MAX_NAMES} that a table has room for"
    if long := next((name for name in names if not 0 < len(name) <= MAX_NAME), None):
        yield place, f"has a name of {len(long)} characters, more than {MAX_NAME}"


def _cost(cost: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    memory = cost.get("peak_memory_bytes")
    if memory is not None and not isinstance(memory, Mapping):
        yield "cost.peak_memory_bytes", f"is {_short(memory)}, expected an object such as {{'host': 961716224}}"
    values = {key: value for key, value in cost.items() if key != "peak_memory_bytes"}
    inner = {f"peak_memory_bytes.{key}": value for key, value in memory.items()} if isinstance(memory, Mapping) else {}
    for key, value in (values | inner).items():
        if value is not None and not isinstance(value, str) and not (_is_number(value) and value >= 0):
            yield f"cost.{key}", f"is {_short(value)}, expected a number from 0 on, or null"


def _selection(selection: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for key in ("epoch", "score", "queries", "test_evaluations"):
        if selection.get(key) is not None and not _is_number(selection[key]):
            yield f"selection.{key}", f"is {_short(selection[key])}, expected a number"
        elif key in ("queries", "test_evaluations") and key in selection and selection[key] is None:
            yield f"selection.{key}", "is null, expected a number"
    history = selection.get("history") or []
    if not isinstance(history, list) or not all(isinstance(row, Mapping) and "epoch" in row for row in history):
        yield "selection.history", f"is {_short(history)}, expected a list of {{'epoch': ..., 'score': ...}}"


def _is_number(value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return math.isfinite(value) and abs(value) <= LARGEST


def _printable(message: str) -> str:
    """A message that names keys of a stranger's: nothing in it steers a terminal, and no line fills the screen."""
    lines = [shown(line) for line in message.split("\n")]
    half = MAX_LINE // 2
    return "\n".join(line if len(line) <= MAX_LINE else f"{line[:half]}...{line[-half:]}" for line in lines)


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
