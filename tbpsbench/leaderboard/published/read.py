"""What papers and READMEs print: read, compared with each other, and checked against the papers' text.

The numbers live in `benchmarks/published/*.csv`, one file per table, as printed. They are reported by their authors and
were never measured by us.
"""

from __future__ import annotations

import io
import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import get_args

import pandas as pd

from tbpsbench.errors import DataError
from tbpsbench.leaderboard.render.csv_text import csv_lines
from tbpsbench.leaderboard.render.rows import Row, Score
from tbpsbench.metrics.tracks import Track
from tbpsbench.reading import read_text

UNKNOWN = "unknown"
SCORES = ("R@1", "R@5", "R@10", "mAP", "mINP")
COLUMNS = ("system", "printed", "data", "trained_on", "protocol", "track", "selection", "backbone", *SCORES,
           "citation", "venue", "year", "source", "table", "note")  # fmt: skip
DATA = ("CUHK-PEDES", "ICFG-PEDES", "RSTPReid", "UFine6926")
ALLOWED = {
    "data": DATA,
    "trained_on": (*DATA, UNKNOWN),
    "track": (*get_args(Track), UNKNOWN),
    "selection": ("val", "last", "test", UNKNOWN),
}
CONFLICTS = "conflicts.csv"
MAX_CELL = 1000  # characters
NUMBER = re.compile(r"[0-9]{1,3}(\.[0-9]+)?")


@dataclass(frozen=True)
class Line:
    """One line of a CSV: every column as text, and where it stands ("file:line")."""

    place: str
    cells: dict[str, str]

    @property
    def key(self) -> tuple[str, str, str, str]:
        """What one line is about: no two lines of all files share it."""
        return self.cells["source"], self.cells["table"], self.cells["data"], self.cells["printed"]


@dataclass(frozen=True)
class Conflict:
    """One column in which sources differ about the same system, data, protocol and track.

    Attributes:
        values: (number, the sources that print it), the largest number first.
    """

    system: str
    data: str
    trained_on: str
    protocol: str
    track: str
    column: str
    values: tuple[tuple[float, tuple[str, ...]], ...]


def read_published(folder: str | Path) -> list[Row]:
    """All reported rows below `folder`, in the order of files and lines.

    A row whose numbers another source contradicts says so in its note.

    Raises:
        DataError: if there is no file, or a line is wrong; names file and line.
    """
    rows = [_row(line.cells) for line in read_lines(folder)]
    elsewhere: dict[tuple[str, ...], list[Conflict]] = {}
    for conflict in conflicts(rows):
        elsewhere.setdefault(_identity(conflict), []).append(conflict)
    return [_with_note(row, elsewhere.get(_identity(row), [])) for row in rows]


def read_lines(folder: str | Path) -> list[Line]:
    """Every line of every table in `folder` (all CSV files but conflicts.csv), validated, nothing converted.

    Raises:
        DataError: as `read_published`.
    """
    paths = sorted(path for path in Path(folder).glob("*.csv") if path.name != CONFLICTS)
    if not paths:
        raise DataError(f"{folder}: no CSV files of published results here")
    lines = [line for path in paths for line in _read_file(path)]
    first: dict[tuple[str, ...], str] = {}
    for line in lines:
        if (before := first.setdefault(line.key, line.place)) != line.place:
            raise DataError(f"{line.place}: this row of {', '.join(line.key[:2])} is already in {before}: remove one")
    return lines


def _read_file(path: Path) -> Iterable[Line]:
    text = read_text(path)
    try:
        # No header: a line that is longer than the header is then an error that names it.
        frame = pd.read_csv(io.StringIO(text), header=None, dtype=str, keep_default_na=False, skip_blank_lines=False)
    except (pd.errors.ParserError, pd.errors.EmptyDataError, ValueError, OverflowError, MemoryError) as error:
        raise DataError(f"{path}: not a CSV table ({str(error).strip()})") from None
    header = tuple(str(cell) for cell in frame.iloc[0])
    if header != COLUMNS:
        missing, unknown = [c for c in COLUMNS if c not in header], [c for c in header if c not in COLUMNS]
        raise DataError(f"{path}:1: the columns must be {','.join(COLUMNS)} (missing: {missing}, unknown: {unknown})")
    for number, values in enumerate(frame.iloc[1:].itertuples(index=False), start=2):
        place = f"{path}:{number}"
        cells = dict(zip(COLUMNS, values, strict=True))
        if problem := _problem(cells):
            raise DataError(f"{place}: {problem}")
        yield Line(place, cells)


def _problem(cells: dict[str, str]) -> str | None:
    """What is wrong with one line, or None."""
    for column, cell in cells.items():
        if "\n" in cell or cell != cell.strip():
            return f"column {column!r}: line breaks or white space around {cell!r:.80}: remove them"
        if len(cell) > MAX_CELL:
            return f"column {column!r}: {len(cell)} characters, more than {MAX_CELL}: shorten it"
        if not cell and column not in (*SCORES, "note"):
            return f"column {column!r} is empty: write {UNKNOWN!r} where the source does not say"
        if cell not in ALLOWED.get(column, (cell,)):
            return f"column {column!r}: {cell!r} is not one of {', '.join(ALLOWED[column])}"
        if column in SCORES and cell and (not NUMBER.fullmatch(cell) or float(cell) > 100):
            return f"column {column!r}: {cell!r} is not a percentage as printed, e.g. 73.38 (empty where none is given)"
    if not re.fullmatch(rf"[0-9]{{4}}|{UNKNOWN}", cells["year"]):
        return f"column 'year': {cells['year']!r} is not a year (or {UNKNOWN!r})"
    recalls = [float(cells[column]) for column in SCORES[:3] if cells[column]]
    if not any(cells[column] for column in SCORES):
        return f"no number in any of {', '.join(SCORES)}"
    if recalls != sorted(recalls) and "as printed" not in cells["note"]:
        return "R@k falls as k grows: correct it, or say 'as printed' in the note if the source has it so"
    return None


def _row(cells: dict[str, str]) -> Row:
    def known(column: str) -> str:
        return "" if cells[column] == UNKNOWN else cells[column]

    return Row(
        system=cells["system"],
        data=cells["data"],
        trained_on=known("trained_on"),
        protocol=cells["protocol"],
        track=cells["track"],
        selection=cells["selection"],
        status="reported",
        scores={column: Score(float(cells[column])) for column in SCORES if cells[column]},
        badges=("selected on test",) if cells["selection"] == "test" else (),
        backbone=known("backbone"),
        citation=known("citation"),
        venue=known("venue"),
        year=int(cells["year"]) if known("year") else None,
        source=f"{cells['source']}, {cells['table']}",
        note=cells["note"],
    )


def conflicts(rows: Iterable[Row]) -> list[Conflict]:
    """Where sources print different numbers for one system on the same data, protocol and track.

    Systems are distinguished by name alone, without case, spaces and punctuation: two models of one name (another
    backbone, another version) show up here as well.
    """
    found: dict[tuple[str, ...], tuple[Row, dict[float, list[str]]]] = {}
    for row in rows:
        for column, score in row.scores.items():
            _, values = found.setdefault((column, *_identity(row)), (row, {}))
            values.setdefault(score.mean, []).append(row.source)
    result = []
    for (column, *_), (row, values) in found.items():
        if len(values) > 1 and len({source for sources in values.values() for source in sources}) > 1:
            ordered = tuple((value, tuple(values[value])) for value in sorted(values, reverse=True))
            result.append(Conflict(row.system, row.data, row.trained_on, row.protocol, row.track, column, ordered))
    return sorted(result, key=lambda one: (*_identity(one), SCORES.index(one.column)))


def conflicts_csv(found: Sequence[Conflict]) -> str:
    """The text of conflicts.csv: one line for every number that another source contradicts."""
    names = ("system", "data", "trained_on", "protocol", "track", "column")
    lines = [
        [*(getattr(conflict, name) for name in names), f"{value:.2f}", "; ".join(sources)]
        for conflict in found
        for value, sources in conflict.values
    ]
    return csv_lines([[*names, "value", "sources"], *lines])


def normal(system: str) -> str:
    """A system's name without case, spaces, punctuation and "(ours)"; a plus sign tells systems apart and stays."""
    plain = unicodedata.normalize("NFKD", system).casefold().replace("(ours)", "")
    return re.sub(r"[^\w+]|_", "", plain)


def _identity(item: Row | Conflict) -> tuple[str, ...]:
    return normal(item.system), item.data, item.trained_on, item.protocol, item.track


def _with_note(row: Row, found: Sequence[Conflict]) -> Row:
    others = [
        f"{conflict.column} {value:.2f}"
        for conflict in found
        if conflict.column in row.scores
        for value, _ in conflict.values
        if value != row.scores[conflict.column].mean
    ]
    said = [row.note] if row.note else []
    return replace(row, note="; ".join([*said, f"other sources print {', '.join(others)}"])) if others else row
