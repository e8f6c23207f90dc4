"""What the page holds as JSON: every string once, every part of a config or environment once.

Two objects, so that the page parses the large one, the details of all records, only when the first row is opened.
`board.js` (`readBoard`, `readDetail`) knows the same layout.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from tbpsbench.errors import DataError
from tbpsbench.leaderboard.render.board import OUT_OF_COMPETITION, Table, cited, columns_of
from tbpsbench.leaderboard.render.numbers import DIGITS, three_digits
from tbpsbench.leaderboard.render.rows import COSTS, Row, Score

# What a config does not say about a system: it differs between the seeds of a row.
_OF_A_RUN = ("seed", "name")
# Parts of a record that many records share, and that the page shows as they are.
_SHARED = (("environment", "code", "plugins"), ("data",), ("leaks",))


class _Interned:
    """Values by number; equal ones have the same."""

    def __init__(self) -> None:
        self.values: list[Any] = []
        self._numbers: dict[str, int] = {}

    def text(self, value: str) -> int:
        """Number of a string."""
        return self._number(value, value)

    def json(self, value: Any) -> int:
        """Number of anything that JSON holds."""
        # Several times faster than JSON as a key; where keys of objects are in another order, a value is kept twice.
        return self._number(repr(value), value)

    def _number(self, key: str, value: Any) -> int:
        if key not in self._numbers:
            self._numbers[key] = len(self.values)
            self.values.append(value)
        return self._numbers[key]


def board_json(rows: Sequence[Row], records: Mapping[str, Mapping[str, Any]], tables: Sequence[Table]) -> str:
    """Rows as the table, the filters and the chart need them."""
    columns, costs = columns_of(rows), [key for key in COSTS if any(key in row.cost for row in rows)]
    texts, numbers = _Interned(), {folder: number for number, folder in enumerate(records)}
    packed = []
    for row in rows:
        names = (row.system, row.data, row.trained_on, row.protocol, row.track, row.selection, row.status, row.backbone)
        packed.append(
            [
                *map(texts.text, (*names, cited(row), row.source, row.note)),
                row.year,
                [texts.text(badge) for badge in row.badges],
                row.seeds,
                row.missing_seeds,
                _suite_is_complete(row, records),
                int(OUT_OF_COMPETITION.isdisjoint(row.badges)),
                [_packed_score(row.scores.get(column)) for column in columns],
                [three_digits(row.cost[key]) if key in row.cost else None for key in costs],
                [[numbers.get(folder), texts.text(folder)] for folder in row.records],
            ]
        )
    board = {
        "columns": columns,
        "costs": [[key, *COSTS[key]] for key in costs],
        "texts": texts.values,
        "rows": packed,
        "start": _start(rows, tables),
    }
    return dumps(board)


def detail_json(records: Mapping[str, Mapping[str, Any]]) -> str:
    """What an opened row shows of its records.

    Raises:
        DataError: if a record holds a number that is not finite.
    """
    shared = _Interned()
    packed, configs = [], dict[str, list[list[int]]]()
    for record in records.values():
        packed.append(_packed_record(record, shared))
        # Packing a config is the dearest part, and all seeds of a system share it.
        if (system := record["system_sha256"]) not in configs:
            configs[system] = _packed_config(record["config"], shared)
    try:
        return dumps({"shared": shared.values, "records": packed, "configs": configs})
    except ValueError:
        folder = next(name for name, record in records.items() if not _is_finite(record))
        raise DataError(f"{folder}: a number in the record is not finite. Make this result again.") from None


def dumps(value: Any) -> str:
    """Compact JSON that may stand within a `<script>`: nothing in it opens, closes or comments out an element."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    for sign in "<>&\u2028\u2029":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return text


def _packed_score(score: Score | None) -> list[float | None] | None:
    if score is None:
        return None
    values = (score.mean, score.std, score.low, score.high)
    return [None if value is None else round(value, DIGITS) for value in values]


def _suite_is_complete(row: Row, records: Mapping[str, Mapping[str, Any]]) -> int:
    """1 if a suite asked for this row and every one of its seeds is there."""
    asked = any(records[folder].get("suite", {}).get("seeds") for folder in row.records if folder in records)
    return int(asked and not row.missing_seeds)


def _start(rows: Sequence[Row], tables: Sequence[Table]) -> list[str]:
    """Data set and protocol that the page shows first: the ones with the most measured rows."""
    if not tables:
        return ["", ""]
    count: dict[tuple[str, str], int] = {(table.data, table.protocol): 0 for table in tables}
    for row in rows:
        count[row.data, row.protocol] += row.status != "reported"
    data, protocol = max(count, key=lambda key: (count[key], key[1] == "standard"))
    return [data, protocol]


def _packed_record(record: Mapping[str, Any], shared: _Interned) -> dict[str, Any]:
    selection = {key: value for key, value in record["selection"].items() if key != "history"}
    results = {}
    for protocol, result in record["results"].items():
        numbers = {key: value for key, value in result.items() if isinstance(value, int)}
        scores = {column: [_round(value)] for column, value in result["scores"].items()}
        for column, bounds in result["intervals_95"].items():
            scores[column] += map(_round, bounds)
        heads = {name: {k: _round(v) for k, v in own.items()} for name, own in result.get("heads", {}).items()}
        results[protocol] = {"scores": scores, "counts": shared.json(numbers), "heads": heads}
    return {
        "seed": record["seed"],
        "date": record.get("date"),
        "hashes": [record["config_sha256"], record["checkpoint"]["sha256"], record["evidence"]["sha256"]],
        "system": record["system_sha256"],
        "selection": shared.json(selection),
        "results": results,
        "shared": [shared.json([record.get(key) for key in keys]) for keys in _SHARED],
    }


def _is_finite(record: Mapping[str, Any]) -> bool:
    try:
        json.dumps(record, allow_nan=False)
    except ValueError:
        return False
    return True


def _packed_config(config: Mapping[str, Any], shared: _Interned) -> list[list[int]]:
    sections = [(key, config[key]) for key in sorted(config) if key not in _OF_A_RUN]
    return [[shared.json(key), shared.json(value)] for key, value in sections]


def _round(value: float) -> float:
    return round(value, DIGITS)
