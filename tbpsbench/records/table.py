"""A record as a table in the terminal."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table


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
    table = Table(title=f"{record['name']} on {spec['data']} ({spec['split']}), track {record['track']}, percent")
    table.add_column("protocol")
    for column in columns:
        table.add_column(column, justify="right")
    table.add_column("queries x gallery", justify="right")
    for name, result in record["results"].items():
        cells = []
        for column in columns:
            low, high = result["intervals_95"][column]
            cells.append(f"{result['scores'][column]:.2f}\n[dim]{low:.1f} - {high:.1f}[/dim]")
        table.add_row(name, *cells, f"{result['queries']} x {result['gallery']}\n[dim]{result['identities']} ids[/dim]")
        for head, scores in result["heads"].items():
            table.add_row(f"  head {head}", *(f"{scores[column]:.2f}" for column in columns), "")
    console.print(table)
    chosen = f"checkpoint chosen by: {selection['rule']}"
    if "epoch" in selection:
        chosen += f" (epoch {selection['epoch']})"
    badges = ["[bold red]selected on test[/bold red]"] if selection["rule"] == "test" else []
    badges += ["[bold red]leak allowed[/bold red]"] if record["leaks"] else []
    badges += ["[bold red]partial data[/bold red]"] if record["data"].get("partial") else []
    console.print(", ".join([chosen, f"seed {record['seed']}", *badges]))
    if path is not None:
        console.print(f"record: {path}", soft_wrap=True)
