"""A board as CSV: one line per row with everything that is known of it, for other programs."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

from tbpsbench.leaderboard.render.board import columns_of
from tbpsbench.leaderboard.render.rows import COSTS, Row

_TEXTS = ("data", "protocol", "track", "trained_on", "system", "selection", "status")
_MORE = ("backbone", "citation", "venue", "year", "source", "note")


def csv_text(rows: Sequence[Row]) -> str:
    """Lines end in a line feed; lists within a cell are parted by "; "; an unknown value is an empty cell.

    For every metric there are four columns, e.g. `R@1`, `R@1 std`, `R@1 low`, `R@1 high` (the 95 % interval).
    """
    columns = columns_of(rows)
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    scores = [f"{column}{part}" for column in columns for part in ("", " std", " low", " high")]
    writer.writerow([*_TEXTS, "seeds", "missing_seeds", *scores, *COSTS, "badges", *_MORE, "records"])
    for row in rows:
        line = [cell_text(getattr(row, key)) for key in _TEXTS] + [_list(row.seeds), _list(row.missing_seeds)]
        for column in columns:
            score = row.scores.get(column)
            line += [_number(value) for value in (score.mean, score.std, score.low, score.high)] if score else [""] * 4
        line += [_number(row.cost.get(key)) for key in COSTS] + [cell_text(_list(row.badges))]
        line += [cell_text(str(value)) if (value := getattr(row, key)) is not None else "" for key in _MORE]
        writer.writerow([*line, cell_text(_list(row.records))])
    return buffer.getvalue()


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.10g}"


def _list(values: Sequence[object]) -> str:
    return "; ".join(map(str, values))


def cell_text(text: str) -> str:
    """Names come from others: a spreadsheet must not take one for a formula."""
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text
