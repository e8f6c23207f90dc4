"""Training curves from a run's logs: losses and their weights over steps, validation scores over epochs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tbpsbench.errors import DataError
from tbpsbench.visualize.paper import plain, save_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SCORES = ("R@1", "R@5", "R@10", "mAP", "mINP")


def read_scalars(run: str | Path) -> tuple[list[dict[str, Any]], list[dict[str, Any]], dict[str, Any] | None]:
    """Training rows, validation rows and the chosen epoch of a run.

    Parts of a run that was resumed are joined; a later part replaces what it repeats.

    Raises:
        DataError: if the folder holds no logs.
    """
    files = sorted(Path(run).glob("logs/*/vis_data/scalars.json"))
    if not files:
        raise DataError(f"{run}: no training logs (logs/*/vis_data/scalars.json). Is it the folder of a run?")
    training: dict[int, dict[str, Any]] = {}
    for file in files:
        for line in file.read_text().splitlines():
            try:
                row = json.loads(line)
            except json.JSONDecodeError:
                continue  # the last line of a killed run
            if "loss" in row:
                training = {step: old for step, old in training.items() if step < row["step"]}
                training[row["step"]] = row
    card = json.loads((Path(run) / "run.json").read_text()) if (Path(run) / "run.json").exists() else {}
    return list(training.values()), list(card.get("history", [])), card.get("best")


def series(training: list[dict[str, Any]], prefix: str) -> dict[str, tuple[list[int], list[float]]]:
    """Steps and values of every logged scalar `prefix`NAME, by NAME; a row without it is left out."""
    names = dict.fromkeys(key for row in training for key in row if key.startswith(prefix))
    found = {}
    for name in names:
        rows = [row for row in training if name in row]
        found[name.removeprefix(prefix)] = ([row["step"] for row in rows], [row[name] for row in rows])
    return found


def training_curves(run: str | Path, path: str | Path) -> Path:
    """Draw losses and validation scores of a run side by side, between them the weights that a balancer logged.

    Raises:
        DataError: if there are no logs.
        StorageError: if the file cannot be written.
    """
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    training, validation, chosen = read_scalars(run)
    losses, weights = series(training, "loss_"), series(training, "weight_")
    count = 3 if weights else 2
    figure = Figure(figsize=(5.5 * count, 4), layout="constrained")
    left, *middle, right = figure.subplots(1, count)
    _lines(left, losses if len(losses) > 1 else {"loss": series(training, "loss").get("", ([], []))})
    left.set(ylabel="loss before weighing" if weights else "loss", title="Training loss")
    for axes in middle:
        _lines(axes, weights)
        axes.axhline(1, color="0.7", linewidth=1, zorder=0)
        axes.set(ylabel="weight", title="Weights of the losses")
        axes.set_ylim(bottom=0)
    epochs = [row["epoch"] for row in validation]
    for name in SCORES:
        if validation and name in validation[0]:
            right.plot(epochs, [row[name] for row in validation], marker="o", markersize=3, label=name)
    right.set(xlabel="epoch", ylabel="percent", title="Validation", ylim=(0, 100))
    right.xaxis.set_major_locator(MaxNLocator(integer=True))
    if validation:
        right.legend(frameon=False, ncols=2)
    if chosen:
        right.axvline(chosen["epoch"], color="0.7", linewidth=1, zorder=0)
        right.set_title(f"Validation (chosen: epoch {chosen['epoch']}, {chosen['metric']} {chosen['score']:.1f})")
    for axes in (left, *middle, right):
        plain(axes)
    return save_figure(figure, path)


def _lines(axes: Axes, lines: dict[str, tuple[list[int], list[float]]]) -> None:
    for name, (steps, values) in lines.items():
        axes.plot(steps, values, label=name)
    axes.set(xlabel="step")
    if lines:
        axes.legend(frameon=False)
