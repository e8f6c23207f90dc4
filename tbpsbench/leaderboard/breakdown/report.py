"""Scores by group as plain data, as a table in the terminal, and as CSV."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from tbpsbench.arguments import did_you_mean
from tbpsbench.errors import ConfigError
from tbpsbench.leaderboard.breakdown.scored import Scored
from tbpsbench.leaderboard.render.csv_text import csv_lines
from tbpsbench.metrics.breakdown import (
    FEW_IDENTITIES,
    FEW_QUERIES,
    WORD_EDGES,
    Group,
    by_group,
    keys_of,
    labels_of,
    score_group,
)
from tbpsbench.reading import shown

SCHEMA = 1
# A property with more values than this is broken down only where it is asked for.
MAX_VALUES = 20
SHOWN = ("R@1", "mAP")
ALL = "all queries"


def make_report(scored: Scored, by: Sequence[str] = (), edges: Sequence[int] = WORD_EDGES) -> dict[str, Any]:
    """The scores of all queries and of every group.

    Args:
        scored: the queries of one protocol.
        by: what to split by; default everything with 2 to 20 values.
        edges: largest number of words of each bin of caption lengths but the last.

    Raises:
        ConfigError: for a property that no query has; lists those that there are.
    """
    known = keys_of(scored.asked)
    for key in by:
        if key not in known:
            raise ConfigError(
                f"--by {key}: {scored.data} knows nothing like that.{did_you_mean(key, known)} "
                f"There is: {', '.join(known)}"
            )
    groups, left_out = {}, {}
    for key in dict.fromkeys(by or known):
        labels = labels_of(key, scored.asked, edges)
        values = sorted(set(labels))
        if not by and len(values) == 1:
            left_out[key] = f"always {values[0]}"
        elif not by and len(values) > MAX_VALUES:
            left_out[key] = f"{len(values)} values; name it with --by"
        else:
            groups[key] = by_group(scored.per_query, scored.pids, labels)
    return {
        "schema": SCHEMA,
        "kind": "breakdown",
        "name": scored.name,
        "data": scored.data,
        "split": scored.split,
        "protocol": scored.protocol,
        "track": scored.track,
        "ties": scored.ties,
        "badges": list(scored.badges),
        "source": dict(scored.source),
        "all": score_group(scored.per_query, scored.pids, ALL),
        "by": groups,
        "left_out": left_out,
    }


def print_report(report: Mapping[str, Any], console: Console | None = None) -> None:
    """Print R@1 and mAP of every group with 95 % intervals over identities.

    Args:
        report: from `make_report`.
        console: where to print; default the standard output.
    """
    console = console or Console()
    if not console.is_terminal:
        console.width = max(console.width, 120)
    columns = [column for column in SHOWN if column in report["all"]["scores"]] or list(report["all"]["scores"])[:2]
    about = f"{report['name']} on {report['data']} ({report['split']}), protocol {report['protocol']}, percent"
    table = Table(title=Text(shown(about)))
    table.add_column("split by")
    table.add_column("group", overflow="fold")
    for name in (*columns, "queries", "persons"):
        table.add_column(name, justify="right")
    table.add_row(Text(ALL, style="bold"), "", *_cells(report["all"], columns), end_section=True)
    for key, groups in report["by"].items():
        for number, group in enumerate(groups):
            name = Text(shown(group["value"]) + (" *" if group["few"] else ""))
            last = number == len(groups) - 1
            table.add_row(Text("" if number else shown(key)), name, *_cells(group, columns), end_section=last)
    console.print(table)
    console.print(
        "In brackets: 95 % intervals over persons. Attributes are those of the image that a caption is about."
    )
    if any(group["few"] for groups in report["by"].values() for group in groups):
        console.print(
            f"* fewer than {FEW_QUERIES} queries or {FEW_IDENTITIES} persons: too few to read anything into it."
        )
    for key, reason in report["left_out"].items():
        console.print(Text(shown(f"not split by {key}: {reason}"), style="dim"))
    for badge in report["badges"]:
        console.print(f"[bold red]{badge}[/bold red]")


def csv_report(report: Mapping[str, Any]) -> str:
    """One line per group, the first for all queries; every metric with the ends of its interval."""
    metrics = list(report["all"]["scores"])
    columns = [f"{metric}{part}" for metric in metrics for part in ("", " low", " high")]
    lines: list[list[object]] = [["by", "group", "queries", "persons", "few", *columns]]
    for key, group in [("", report["all"]), *((key, group) for key, found in report["by"].items() for group in found)]:
        ends = group["intervals_95"] or {}
        line: list[object] = [key, group["value"], group["queries"], group["identities"], int(group["few"])]
        for metric in metrics:
            line += [group["scores"][metric], *ends.get(metric, (None, None))]
        lines.append(line)
    return csv_lines(lines)


def _cells(group: Group, columns: Sequence[str]) -> list[str]:
    cells = []
    for column in columns:
        ends = group["intervals_95"]
        told = f" [dim]({ends[column][0]:.1f} - {ends[column][1]:.1f})[/dim]" if ends else ""
        cells.append(f"{group['scores'][column]:.2f}{told}")
    return [*cells, str(group["queries"]), str(group["identities"])]
