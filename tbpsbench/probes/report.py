"""What was measured, with where it comes from; and as a table in the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from tbpsbench.config.flat import fingerprint
from tbpsbench.data.evaluation import EvaluationData
from tbpsbench.files import sha256_file
from tbpsbench.probes.labels import SIDES
from tbpsbench.probes.measure import CONTROL
from tbpsbench.records.environment import code_version, environment
from tbpsbench.records.table import plain_text
from tbpsbench.system import System

SCHEMA = 1
BASELINE = "In brackets: the mean that independence gives, the features of different persons paired."
NO_BASELINE = (
    "What independence gives is not known: too few persons have as many images as another, to be paired with it."
)


def make_report(
    system: System, checkpoint: Path, data: EvaluationData, splits: Sequence[str], measured: Mapping[str, Any]
) -> dict[str, Any]:
    """The measurement with its provenance, as plain data.

    Args:
        system: whose features were probed.
        checkpoint: the probed file.
        data, splits: the probed images; `seen_in_training` counts the persons among them that the model knows.
        measured: from `measure`.
    """
    trained, known = system.trained_on, set[int]()
    for texts in () if trained is None else trained.texts.whole():  # what it started from has learnt from people, too
        known |= texts.pids if texts.population == data.sources.population else set()
    seen = {record.pid for split in splits for record in data.annotations.split(split)} & known
    return {
        "schema": SCHEMA,
        "kind": "probes",
        "name": system.name,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "seed": system.config["seed"],
        "config_sha256": fingerprint(system.config),
        "checkpoint": {"sha256": sha256_file(checkpoint), "bytes": checkpoint.stat().st_size},
        "code": code_version(),
        "environment": environment() | {"scikit-learn": metadata.version("scikit-learn")},
        "trained_on": None if trained is None else dict(trained.provenance),
        "data": data.sources.provenance(),
        "splits": list(splits),
        "seen_in_training": len(seen),
        **measured,
    }


def print_report(report: Mapping[str, Any], path: Path | None = None, console: Console | None = None) -> None:
    """Print the probes, attribute by attribute, and the dependence of the features.

    Args:
        report: from `make_report`.
        path: where it was written, if it was.
        console: where to print; default the standard output.
    """
    console = console or Console()
    if not console.is_terminal:
        console.width = max(console.width, 120)
    console.print(_probes(report))
    console.print(
        "Balanced accuracy in percent of linear probes, cross-validated over persons; 95 % intervals over persons. "
        "shot: what is known from how the picture was taken alone. Mean above chance: 0 is chance, 100 is perfect."
    )
    for name, reason in report["not_probed"].items():
        console.print(plain_text(f"not probed: {name}, {reason}"), style="dim")
    if report["dependence"]:
        console.print(_dependence(report))
        known = any("independent" in pair["linear"]["hsic"] for pair in report["dependence"])
        if known or report["permutations"]:
            console.print(BASELINE if known else NO_BASELINE)
    if report["seen_in_training"]:
        console.print(f"[bold red]{report['seen_in_training']} of these persons were in the training data[/bold red]")
    if path is not None:
        console.print(plain_text(f"probes: {path}"), soft_wrap=True)


def _probes(report: Mapping[str, Any]) -> Table:
    names = [CONTROL, *report["features"]]
    table = Table(title=plain_text(f"{report['name']}: {report['persons']} persons, {report['images']} images"))
    table.add_column("attribute", no_wrap=True)
    for title in ("classes", "persons", "chance", *names):
        table.add_column(plain_text(title), justify="right")
    for side in SIDES:
        rows = {name: row for name, row in report["attributes"].items() if row["side"] == side}
        for name, row in rows.items():
            cells = [_cell(row["features"][feature], "accuracy") for feature in names]
            table.add_row(
                plain_text(name), str(len(row["classes"])), str(row["persons"]), f"{100 * row['chance']:.1f}", *cells
            )
        if rows:
            means = [_cell(report["means"][feature][side], "above_chance") for feature in names]
            bold = (f"[bold]{text}[/bold]" for text in (f"{side}, mean above chance", "", "", "", *means))
            table.add_row(*bold, end_section=True)
    return table


def _cell(found: Mapping[str, Any], key: str) -> str:
    low, high = (100 * bound for bound in found["interval_95"])
    return f"{100 * found[key]:.1f}\n[dim]{low:.0f} - {high:.0f}[/dim]"


def _dependence(report: Mapping[str, Any]) -> Table:
    table = Table(title="Dependence of two features")
    table.add_column("features", overflow="fold")
    columns = [(kernel, measure) for measure in ("cka", "cka_unbiased", "hsic") for kernel in ("linear", "rbf")]
    for kernel, measure in columns:
        table.add_column(f"{measure.replace('cka', 'CKA').replace('hsic', 'HSIC').replace('_', ', ')}\n{kernel}")
    for pair in report["dependence"]:
        cells = [_measure(pair[kernel][measure]) for kernel, measure in columns]
        table.add_row(plain_text(f"{pair['x']}, {pair['y']}"), *cells)
    return table


def _measure(entry: Mapping[str, float] | None) -> str:
    if entry is None:
        return "-"
    text = f"{entry['value']:.3g}"
    return f"{text} [dim]({entry['independent']:.2g})[/dim]" if "independent" in entry else text
