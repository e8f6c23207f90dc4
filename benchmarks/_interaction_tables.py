"""Tables of docs/interaction.md: what a dialogue gives at which error, and what a judge alone gives; CTGI's Table 4."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from _tables import committed, spread

from tbpsbench.records.identity import captions_source

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
CTGI = "mini_ctgi"
# Rows of CTGI's Table 4: suffix of ours, MTG, MTI, stretched positions; R@1 and mAP printed for IRRA and for RDE.
TABLE_4: tuple[tuple[str, bool, bool, bool, dict[str, tuple[float, float]]], ...] = (
    ("static", False, False, False, {}),
    ("mtg-248", True, False, True, {"irra": (52.30, 40.03), "rde": (60.55, 44.98)}),
    ("static", False, True, False, {"irra": (55.50, 44.87), "rde": (62.55, 46.43)}),
    ("mtg-248", True, True, True, {"irra": (64.20, 48.03), "rde": (66.35, 49.66)}),
    ("mtg", True, True, False, {"irra": (63.00, 47.60), "rde": (65.75, 49.60)}),
)
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


def ctgi() -> str:
    """Table 4 of CTGI, beside the printed one: MTG, MTI and longer texts, for IRRA and RDE."""
    columns = ("R@1", "R@5", "R@10", "mAP")
    lines = [
        f"| system | MTG | MTI | positions | {' | '.join(columns)} | judge alone, R@1 | mAP | printed, R@1 | mAP |",
        "| --- | :---: | :---: | ---: |" + " ---: |" * 8,
    ]
    for system in ("irra", "rde"):
        for suffix, mtg, mti, longer, printed in TABLE_4:
            found = _records(f"{system}-{suffix} + mti-10", "human", CTGI)
            cells = [_over(found, partial(_score, "standard" if mti else BEFORE, column)) for column in columns]
            judge = [_over(found, partial(_score, "standard (judge only)", c)) if mti else "" for c in ("R@1", "mAP")]
            theirs = [f"{value:.2f}" for value in printed.get(system, ())] or ["", ""]
            marks = ["yes" if used else "" for used in (mtg, mti)]
            row = [system.upper(), *marks, "248" if longer else "64", *cells, *judge, *theirs]
            lines.append(f"| {' | '.join(row)} |")
    told = "Percent, mean and standard deviation over three seeds; everybody is simulated and errs in 10 % of cases."
    return "\n".join([*lines, "", f"{told} Printed: RSTPReid."])


def _records(name: str, captions: str, suite: str = SUITE) -> list[dict[str, Any]]:
    """The records of one row, by seed."""
    found = [
        record
        for _, record in committed()
        if record["name"] == name and captions_source(record) == captions and record["suite"].get("name") == suite
    ]
    return sorted(found, key=lambda record: int(record["seed"]))


def _report(record: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = record["interaction"]["protocols"]["standard"]
    return found


def _score(result: str, column: str, record: dict[str, Any]) -> float:
    return float(record["results"][result]["scores"][column])


def _budget(calls: int, record: dict[str, Any]) -> float:
    return float(next(row["R@1"] for row in _report(record)["budgets"] if row["calls"] == calls))


def _over(found: Sequence[dict[str, Any]], value: Callable[[dict[str, Any]], float | None]) -> str:
    values = [number for number in map(value, found) if number is not None]
    return spread(values) or "-"
