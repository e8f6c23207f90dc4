"""A board as CSV: one line per row with everything that is known of it, for other programs."""

from __future__ import annotations

import csv
import io
import re
import unicodedata
from collections.abc import Iterable, Sequence

from tbpsbench.leaderboard.render.board import columns_of
from tbpsbench.leaderboard.render.rows import COSTS, Row

_TEXTS = ("data", "protocol", "track", "trained_on", "system", "selection", "status")
_MORE = ("backbone", "citation", "venue", "year", "source", "note")
# What a spreadsheet takes for the beginning of a formula; wide forms are these after normalisation.
_FORMULA = ("=", "+", "-", "−", "@")
_NUMBER = re.compile(r"-?\d+(\.\d+)?(e[+-]?\d+)?")
# Python's writer quotes a line feed, and not a carriage return, which spreadsheets take for the end of a row, too.
_CARRIAGE_RETURN = re.compile("\r\n?")


def csv_text(rows: Sequence[Row]) -> str:
    """Lines end in a line feed; lists within a cell are parted by "; "; an unknown value is an empty cell.

    For every metric there are four columns, e.g. `R@1`, `R@1 std`, `R@1 low`, `R@1 high` (the 95 % interval).
    """
    columns = columns_of(rows)
    scores = [f"{column}{part}" for column in columns for part in ("", " std", " low", " high")]
    lines: list[list[object]] = [[*_TEXTS, "seeds", "missing_seeds", *scores, *COSTS, "badges", *_MORE, "records"]]
    for row in rows:
        line: list[object] = [getattr(row, key) for key in _TEXTS] + [_list(row.seeds), _list(row.missing_seeds)]
        for column in columns:
            score = row.scores.get(column)
            line += [score.mean, score.std, score.low, score.high] if score else [None] * 4
        line += [row.cost.get(key) for key in COSTS] + [_list(row.badges)]
        lines.append([*line, *(getattr(row, key) for key in _MORE), _list(row.records)])
    return csv_lines(lines)


def csv_lines(lines: Iterable[Iterable[object]]) -> str:
    """Lines of cells as CSV: texts stay texts in a spreadsheet, numbers stay numbers, None is an empty cell."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    for line in lines:
        writer.writerow(["" if value is None else _cell(value) for value in line])
    return buffer.getvalue()


def _cell(value: object) -> str:
    if isinstance(value, int | float):
        return f"{value:.10g}" if isinstance(value, float) else str(value)
    # Names come from others: no cell begins a row of its own, none is a formula.
    text = _CARRIAGE_RETURN.sub("\n", str(value))
    start = unicodedata.normalize("NFKC", "".join(filter(_is_seen, text))[:1])
    formula = start.startswith(_FORMULA) and not _NUMBER.fullmatch(text)
    return f"'{text}" if formula or text.startswith("\t") else text


def _is_seen(sign: str) -> bool:
    """Whether a sign is more than white space or a mark that nobody sees."""
    return not sign.isspace() and unicodedata.category(sign) not in ("Cc", "Cf", "Mn")


def _list(values: Sequence[object]) -> str:
    return "; ".join(map(str, values))
