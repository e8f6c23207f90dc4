"""Tables of the docs that are made from the committed records (see _report.py)."""

from __future__ import annotations

import json
import statistics
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from tbpsbench.leaderboard.compare.compare import compare
from tbpsbench.leaderboard.render.rows import Row, column_order, rows_of
from tbpsbench.records.read import data_name, read_records

HERE = Path(__file__).parent
RECORDS = HERE / "records"
SMALL, LARGE = "MiniPEDES", "MiniPEDES (large)"
RERANKERS = ("k-reciprocal", "inverted-softmax", "query-expansion", "image-text-matching")


def result(name: str) -> dict[str, Any]:
    """One benchmark's JSON, as `make bench` left it."""
    found: dict[str, Any] = json.loads((HERE / "results" / f"{name}.json").read_text(encoding="utf-8"))
    return found


@cache
def committed() -> list[tuple[str, dict[str, Any]]]:
    """All committed records and their folders below RECORDS, read once."""
    return read_records(RECORDS)


@cache
def measured(protocol: str = "standard", data: str = SMALL) -> dict[str, Row]:
    """System -> its row on a data set, trained on MiniPEDES."""
    return {
        row.system: row
        for row in rows_of(committed())
        if row.data == data and row.trained_on == SMALL and row.protocol == protocol
    }


def spread(values: Sequence[float]) -> str:
    """Mean and standard deviation, as every table writes them; "" of nothing."""
    if not values:
        return ""
    return f"{statistics.mean(values):.2f} ± {statistics.stdev(values) if len(values) > 1 else 0.0:.2f}"


def score(row: Row | None, column: str) -> str:
    """Mean and standard deviation over seeds."""
    return f"{row.scores[column].mean:.2f} ± {row.scores[column].std or 0:.2f}" if row else ""


def gap(one: str, other: str, column: str, protocol: str = "standard", data: str = SMALL) -> str:
    """The difference of two systems in points, and whether it is one."""
    places, others = (
        [RECORDS / folder for folder, record in committed() if _is_of(record, name, data)] for name in (one, other)
    )
    found = compare(places, others, column, protocol, allow=["track"]).difference
    return f"{found.estimate:+.2f} ({'p < 0.001' if found.p_value < 0.001 else f'p = {found.p_value:.3f}'})"


def _is_of(record: dict[str, Any], name: str, data: str) -> bool:
    """Whether a record is of a system on a data set, trained on MiniPEDES; others of its name are not."""
    spec = record["spec"]
    return record["name"] == name and data_name(record) == data and spec.get("trained_on", spec["data"]) == SMALL


def scoring() -> str:
    """Suite `mini_scoring`: token vectors against one vector, and every re-ranker against the results it reorders."""
    rows, costs = measured(), dict[str, float]()
    for _, record in committed():
        if rerank := (record.get("cost") or {}).get("rerank"):
            # The fastest seed: the machine was shared.
            found = float(rerank["standard"]["ms_per_query"])
            costs[record["name"]] = min(found, costs.get(record["name"], found))
    lines = [
        "| system | R@1 | mAP | against | R@1 | mAP | ms a query |",
        "| --- | ---: | ---: | --- | ---: | ---: | ---: |",
    ]
    pairs = [("token-head-m", "two-tower-m")]
    for system in ("two-tower-m", "irra", "rde"):
        pairs.append((f"{system}-itm", system))
        pairs += [(f"{system}-itm + {name}", f"{system}-itm") for name in RERANKERS]
    for one, other in pairs:
        differences = " | ".join(gap(one, other, column) for column in ("R@1", "mAP"))
        row, cost = rows[one], costs.get(one)
        cells = f"{score(row, 'R@1')} | {score(row, 'mAP')}"
        lines.append(f"| {one} | {cells} | {other} | {differences} | {'' if cost is None else f'{cost:.2f}'} |")
    return "\n".join(
        [
            *lines,
            "",
            "Percent, mean and standard deviation over three seeds; differences in points with `compare`'s p-value,",
            "not corrected for multiple comparisons. A re-ranker and what it reorders are the same trained models;",
            "its cost is that of the fastest of three seeds, on one thread of a busy machine.",
        ]
    )


def board() -> str:
    """The committed records of the suite `mini`, standard protocol, the best first."""
    records = [(folder, record) for folder, record in committed() if (record["suite"] or {}).get("name") == "mini"]
    rows = [row for row in rows_of(records) if row.data == "MiniPEDES" and row.protocol == "standard"]
    columns = sorted({column for row in rows for column in row.scores}, key=column_order)
    lines = [f"| system | seeds | {' | '.join(columns)} | parameters |", "| --- |" + " ---: |" * (len(columns) + 2)]
    for row in sorted(rows, key=lambda row: -row.scores["R@1"].mean):
        cells = [score(row, column) for column in columns]
        size = f"{row.cost['parameters'] / 1e6:.2f} M"
        lines.append(f"| {row.system} | {len(row.seeds)} | {' | '.join(cells)} | {size} |")
    return "\n".join(
        [
            *lines,
            "",
            "All trained from scratch with the same budget; percent, mean and standard deviation over seeds.",
            "[The whole board](docs/leaderboard/board.md) has intervals, cost, the other protocol and domain, and the",
            "rows from papers. Produced by `tools/leaderboard.py run configs/leaderboards/mini.py`.",
        ]
    )


def noise() -> str:
    """What noisy correspondence costs: `mini_noise` and `mini_noise_long` beside the same systems without noise."""
    rows = measured()
    lines = ["| system | clean | 20 % shuffled | 50 % shuffled | lost at 50 % |", "| --- |" + " ---: |" * 4]
    for name, clean in (
        ("irra", "irra"),
        ("rde", "rde"),
        ("irra-s-24", "irra-s-24"),
        ("rde-s-24", "rde-s-24"),
        ("rde-oracle-s-24", "rde-s-24"),
    ):
        scores = [rows.get(key) for key in (clean, f"{name}-noise-20", f"{name}-noise-50")]
        cells = [score(row, "R@1") for row in scores]
        lost = f"{scores[0].scores['R@1'].mean - scores[2].scores['R@1'].mean:.2f}" if scores[0] and scores[2] else ""
        lines.append(f"| {name} | {' | '.join(cells)} | {lost} |")
    return "\n".join(
        [*lines, "", "R@1 in percent on MiniPEDES, mean and standard deviation over seeds; from the committed records."]
    )
