"""Rows as tables: one per data set and protocol, in a fixed order, with the best two per column marked."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from tbpsbench.errors import DataError
from tbpsbench.leaderboard.render.numbers import DIGITS, Mark, percent, quantity
from tbpsbench.leaderboard.render.rows import Row, column_order
from tbpsbench.records.badges import EXTERNAL

TRACKS = ("dual-encoder", "gallery-text", "rerank", "interactive", "interactive-witness")
# A row with one of these did not do the task that the others did: it is shown, and never the best.
OUT_OF_COMPETITION = frozenset({"leak allowed", "partial data"})
# Costs that have a column of their own beside the scores; the page and the CSV have all.
TABLE_COSTS = (("parameters", "Parameters"), ("image_flops", "FLOPs / image"))
LEGEND = (
    "Scores in percent, mean ± sample standard deviation over the seeds; no ± where fewer than two seeds are known.",
    "The best and the second best of a column are marked among rows with the same track and the same training data, as "
    "far as two or more have a score there; equal printed scores are marked alike. Rows with the badge "
    '"leak allowed" or "partial data" are left out of this.',
    "Seeds: how many runs the scores come from; 2 of 3 means that the suite asks for three and one is missing.",
    "Selection: how the checkpoint was chosen: val on the validation split; last, the last epoch; test on the test "
    "split itself, which flatters the score; given, by hand.",
    "measured: run with this toolkit, every score follows from stored ranks. reported: copied from a publication; its "
    "numbers were not checked and say nothing about cost or seeds unless noted.",
)
LEGEND_EXTERNAL = (
    "external: features, similarities or answers of other code, scored with this toolkit. Every score follows from "
    "stored ranks; the model, what it was trained on and how it was chosen are as its authors say."
)


@dataclass(frozen=True)
class Cell:
    """One cell of a printed table.

    Attributes:
        text: the value.
        spread: standard deviation, "" where there is none.
        mark: whether the value is the best or second best.
        numeric: whether it is set flush right.
    """

    text: str
    spread: str = ""
    mark: Mark = ""
    numeric: bool = False


@dataclass(frozen=True)
class Table:
    """All rows of one data set and protocol.

    Attributes:
        data, protocol: what they share.
        headings: one per column.
        lines: cells of every row, in the order of `headings`.
        notes: texts that cells refer to by their number from 1.
    """

    data: str
    protocol: str
    headings: tuple[Cell, ...]
    lines: tuple[tuple[Cell, ...], ...]
    notes: tuple[str, ...]


def legend_of(tables: Iterable[Table]) -> tuple[str, ...]:
    """What a reader of these tables must know, a line each."""
    external = any(line[-1].text.partition(",")[0] == EXTERNAL for table in tables for line in table.lines)
    return (*LEGEND, *[LEGEND_EXTERNAL] * external)


def check_finite(rows: Iterable[Row]) -> None:
    """Refuse infinities and NaN, which no format here can hold and no order can place.

    Raises:
        DataError: names the row and the column.
    """
    for row in rows:
        numbers: list[tuple[str, float | None]] = list(row.cost.items())
        for column, score in row.scores.items():
            numbers += [(column, value) for value in (score.mean, score.std, score.low, score.high)]
        for name, value in numbers:
            if value is not None and not math.isfinite(value):
                where = ", ".join(row.records) or row.source or "a row"
                raise DataError(f"{where}: {name} of {row.system!r} on {row.data} is {value}. Make this result again.")


def columns_of(rows: Iterable[Row]) -> list[str]:
    """Names of all metrics, in the usual order."""
    return sorted({column for row in rows for column in row.scores}, key=column_order)


def sorted_rows(rows: Iterable[Row]) -> list[Row]:
    """Rows by data set, protocol (standard first) and track; the highest first, own training data before transfer."""
    rows = list(rows)
    columns = columns_of(rows)

    def key(row: Row) -> tuple[object, ...]:
        track = TRACKS.index(row.track) if row.track in TRACKS else len(TRACKS)
        scores = [(-score.mean if (score := row.scores.get(column)) else math.inf) for column in columns]
        names = (row.system, row.status, row.selection, row.source, row.citation, row.backbone, row.note, row.records)
        return row.data, row.protocol != "standard", row.protocol, track, row.track, *_training(row), *scores, *names

    return sorted(rows, key=key)


def tables_of(rows: Sequence[Row]) -> list[Table]:
    """Tables of rows that are already in order."""
    groups: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        groups.setdefault((row.data, row.protocol), []).append(row)
    return [_table(data, protocol, group) for (data, protocol), group in groups.items()]


def marks_of(rows: Sequence[Row]) -> dict[tuple[int, str], Mark]:
    """(position of a row, column) -> mark, for rows of one data set and protocol."""
    found: dict[tuple[str, str, str], list[tuple[int, float]]] = {}
    for position, row in enumerate(rows):
        if OUT_OF_COMPETITION.isdisjoint(row.badges):
            for column, score in row.scores.items():
                key = (row.track, row.trained_on or row.data, column)
                found.setdefault(key, []).append((position, round(score.mean, DIGITS)))
    marks: dict[tuple[int, str], Mark] = {}
    for (_, _, column), entries in found.items():
        values = sorted({value for _, value in entries}, reverse=True)
        for position, value in entries if len(entries) > 1 else ():
            if value in values[:2]:
                marks[position, column] = "best" if value == values[0] else "second"
    return marks


def trained_elsewhere(row: Row) -> bool:
    """Whether a row is about transfer."""
    return row.trained_on not in ("", row.data)


def seeds_text(row: Row) -> str:
    """How many seeds are behind a row, and of how many; "–" where unknown."""
    if not row.seeds:
        return "–"
    have = len(row.seeds)
    return f"{have} of {have + len(row.missing_seeds)}" if row.missing_seeds else str(have)


def cited(row: Row) -> str:
    """Who reports a row, and where: "Jiang and Ye, 2023, CVPR"."""
    year = "" if row.year is None or str(row.year) in row.citation + row.venue else str(row.year)
    return ", ".join(part for part in (row.citation, row.venue, year) if part not in ("", "unknown"))


def _training(row: Row) -> tuple[bool, str]:
    return trained_elsewhere(row), row.trained_on


def _table(data: str, protocol: str, rows: list[Row]) -> Table:
    columns, marks = columns_of(rows), marks_of(rows)
    costs = [(key, heading) for key, heading in TABLE_COSTS if any(key in row.cost for row in rows)]
    texts = ["System", *(["Trained on"] if any(map(trained_elsewhere, rows)) else []), "Track", "Selection"]
    texts += ["Backbone"] if any(row.backbone for row in rows) else []
    numbers = ["Seeds", *columns, *(heading for _, heading in costs)]
    headings = [Cell(text) for text in texts] + [Cell(text, numeric=True) for text in numbers] + [Cell("Status")]
    notes: dict[str, int] = {}
    lines = []
    for position, row in enumerate(rows):
        values = {
            "System": row.system,
            "Trained on": row.trained_on or "unknown",
            "Track": row.track,
            "Selection": row.selection,
            "Backbone": row.backbone,
        }
        cells = [Cell(values[text]) for text in texts] + [Cell(seeds_text(row), numeric=True)]
        for column in columns:
            score, mark = row.scores.get(column), marks.get((position, column), "")
            spread = percent(score.std) if score and score.std is not None else ""
            cells.append(Cell(percent(score.mean) if score else "–", spread, mark, numeric=True))
        cells += [Cell(quantity(row.cost[key]) if key in row.cost else "–", numeric=True) for key, _ in costs]
        lines.append((*cells, Cell(_status(row, notes))))
    return Table(data, protocol, tuple(headings), tuple(lines), tuple(notes))


def _status(row: Row, notes: dict[str, int]) -> str:
    """Status, who says so, badges, and the number of the row's note, which is added to `notes`."""
    who = "; ".join(part for part in (cited(row), row.source) if part)
    parts = [f"{row.status} ({who})" if who else row.status, *(badge for badge in row.badges if badge != row.status)]
    if row.note:
        parts.append(f"note {notes.setdefault(row.note, len(notes) + 1)}")
    return ", ".join(parts)
