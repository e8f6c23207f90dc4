"""Tables of docs/interaction.md: what a dialogue gives at which error, and what a judge alone gives."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from _tables import committed

SUITE, SYSTEM = "mini_interaction", "two-tower-m-16"
QUERIES = {"full": "human", "vague": "terse"}
BEFORE = "standard (before interaction)"
ERRORS = (0, 10, 20, 40)
RESULTS = {
    BEFORE: "before",
    "standard": "MTI",
    "standard (judge only)": "judge only",
    "standard (refinement only)": "refinement only",
    "standard (random anchor)": "random anchor",
    "standard (rank 1 as anchor)": "rank 1 as anchor",
    "standard (oracle anchor)": "oracle anchor (uses ids)",
}
BUDGETS = (1, 2, 5, 10, 20)
FOOT = "Percent, mean and standard deviation over three seeds; judge and answerer are simulated and err at this rate."


def scores() -> str:
    """R@1 and mAP of MTI at every error, with its ablations beside it."""
    blocks = [_scores(column) for column in ("R@1", "mAP")]
    return "\n".join([*blocks[0], "", *blocks[1], "", FOOT])


def _scores(column: str) -> list[str]:
    lines = [
        f"| queries | error | {' | '.join(f'{name}, {column}' for name in RESULTS.values())} |",
        "| --- | ---: |" + " ---: |" * len(RESULTS),
    ]
    for kind, captions in QUERIES.items():
        for error in ERRORS:
            found = _records(f"{SYSTEM} + mti-{error}", captions)
            cells = [_over(found, partial(_score, name, column)) for name in RESULTS]
            lines.append(f"| {kind} | {error} % | {' | '.join(cells)} |")
    return lines


def anchors() -> str:
    """How often an anchor was found and right, what became wrong and right, and what it took."""
    lines = [
        "| queries | error | anchor found | precision | right to wrong | wrong to right | calls a query | BRI before "
        "| BRI |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    values: tuple[Callable[[dict[str, Any]], float], ...] = (
        lambda one: one["anchors"]["found"], lambda one: one["anchors"]["precision"],
        lambda one: one["flips"]["right_to_wrong"], lambda one: one["flips"]["wrong_to_right"],
        lambda one: one["cost"]["calls_mean"], lambda one: one["bri_before"], lambda one: one["bri"],
    )  # fmt: skip
    for kind, captions in QUERIES.items():
        for error in ERRORS:
            found = [_report(record) for record in _records(f"{SYSTEM} + mti-{error}", captions)]
            lines.append(f"| {kind} | {error} % | {' | '.join(_over(found, value) for value in values)} |")
    return "\n".join([*lines, "", FOOT.replace("Percent, mean", "Shares in percent; mean")])


def budgets() -> str:
    """R@1 where each query may take so many calls."""
    lines = [
        f"| queries | error | before | {' | '.join(f'{calls} calls' for calls in BUDGETS)} |",
        "| --- | ---: |" + " ---: |" * (len(BUDGETS) + 1),
    ]
    for kind, captions in QUERIES.items():
        for error in ERRORS:
            found = _records(f"{SYSTEM} + mti-{error}", captions)
            cells = [_over(found, partial(_score, BEFORE, "R@1"))]
            cells += [_over(found, partial(_budget, calls)) for calls in BUDGETS]
            lines.append(f"| {kind} | {error} % | {' | '.join(cells)} |")
    return "\n".join([*lines, "", FOOT])


def others() -> str:
    """The other preset, and whoever knows the person, in a track of their own."""
    lines = [
        "| queries | who | track | before, R@1 | after, R@1 | before, mAP | after, mAP | calls a query |",
        "| --- | --- | --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    named = {"icl-0": "`icl`, 0 %", "icl-40": "`icl`, 40 %", "witness": "witness", "oracle": "oracle"}
    for kind, captions in QUERIES.items():
        for name, told in named.items():
            found = _records(f"{SYSTEM} + {name}", captions)
            cells = [
                _over(found, partial(_score, which, column))
                for column in ("R@1", "mAP")
                for which in (BEFORE, "standard")
            ]
            calls = _over([_report(record) for record in found], lambda one: one["cost"]["calls_mean"])
            lines.append(f"| {kind} | {told} | `{found[0]['track']}` | {' | '.join(cells)} | {calls} |")
    return "\n".join([*lines, "", "Percent, mean and standard deviation over three seeds; everybody is simulated."])


def _records(name: str, captions: str) -> list[dict[str, Any]]:
    """The records of one row, by seed."""
    found = [
        record
        for _, record in committed()
        if record["name"] == name and _captions(record) == captions and record["suite"].get("name") == SUITE
    ]
    return sorted(found, key=lambda record: int(record["seed"]))


def _captions(record: dict[str, Any]) -> str:
    """Whose captions were asked."""
    return next(str(source["source"]) for source in record["data"]["sources"] if source["role"] == "captions")


def _report(record: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = record["interaction"]["protocols"]["standard"]
    return found


def _score(result: str, column: str, record: dict[str, Any]) -> float:
    return float(record["results"][result]["scores"][column])


def _budget(calls: int, record: dict[str, Any]) -> float:
    return float(next(row["R@1"] for row in _report(record)["budgets"] if row["calls"] == calls))


def _over(found: Sequence[dict[str, Any]], value: Callable[[dict[str, Any]], float | None]) -> str:
    values = [number for number in map(value, found) if number is not None]
    if not values:
        return "-"
    spread = statistics.stdev(values) if len(values) > 1 else 0.0
    return f"{statistics.mean(values):.2f} ± {spread:.2f}"
