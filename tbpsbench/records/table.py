"""A record as a table in the terminal."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from tbpsbench.reading import shown
from tbpsbench.records.badges import badges_of


def print_record(record: Mapping[str, Any], path: Path | None = None, console: Console | None = None) -> None:
    """Print scores with 95 % intervals over identities, and what a reader needs to judge them.

    Args:
        record: a record.
        path: where it was written, if it was.
        console: where to print; default the standard output.
    """
    console = console or Console()
    if not console.is_terminal:
        console.width = max(console.width, 120)
    spec, selection = record["spec"], record["selection"]
    columns = list(dict.fromkeys(key for result in record["results"].values() for key in result["scores"]))
    title = f"{record['name']} on {spec['data']} ({spec['split']}), track {record['track']}, percent"
    table = Table(title=plain_text(title))
    table.add_column("protocol")
    for column in columns:
        table.add_column(plain_text(column), justify="right")
    table.add_column("queries x gallery", justify="right")
    for name, result in record["results"].items():
        size = f"{result['queries']} x {result['gallery']}"
        cells = [_cell(result, column) for column in columns]
        table.add_row(plain_text(name), *cells, plain_text(size, f"{result['identities']} ids"))
        for head, scores in result["heads"].items():
            cells = [plain_text(f"{scores[column]:.2f}" if column in scores else "-") for column in columns]
            table.add_row(plain_text(f"  head {head}"), *cells, "")
    console.print(table)
    chosen = f"checkpoint chosen by: {selection['rule']}"
    if "epoch" in selection:
        chosen += f" (epoch {selection['epoch']})"
    line = plain_text(f"{chosen}, seed {record['seed']}")
    for badge in badges_of(record):
        line.append(", ").append(badge, style="bold red")
    console.print(line)
    if path is not None:
        console.print(Text(f"record: {shown(path)}"), soft_wrap=True)


def plain_text(text: str, below: str = "") -> Text:
    """A name as a user wrote it, for a terminal: rich would read `[/bold]` as a command and `:bug:` as a picture.

    Args:
        text: what to print; characters that cannot be seen are escaped.
        below: a second line, printed faintly.
    """
    found = Text(shown(text))
    return found.append(f"\n{below}", style="dim") if below else found


def _cell(result: Mapping[str, Any], column: str) -> Text:
    """A score over its interval; a protocol need not have every column."""
    if column not in result["scores"]:
        return Text("-")
    low, high = result["intervals_95"].get(column, (None, None))
    return plain_text(f"{result['scores'][column]:.2f}", "" if low is None else f"{low:.1f} - {high:.1f}")
