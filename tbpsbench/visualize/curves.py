"""Training curves from a run's logs: losses over steps, validation scores over epochs."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

from tbpsbench.errors import DataError
from tbpsbench.files import atomic_write

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


def training_curves(run: str | Path, path: str | Path) -> Path:
    """Draw losses and validation scores of a run side by side.

    Raises:
        DataError: if there are no logs.
        StorageError: if the file cannot be written.
    """
    from matplotlib.figure import Figure

    training, validation, chosen = read_scalars(run)
    figure = Figure(figsize=(11, 4), layout="constrained")
    left, right = figure.subplots(1, 2)
    names = [key for key in training[0] if key.startswith("loss_")] if training else []
    for name in names if len(names) > 1 else ["loss"]:
        left.plot([row["step"] for row in training], [row.get(name) for row in training], label=name)
    left.set(xlabel="step", ylabel="loss", title="Training loss")
    left.legend(frameon=False)
    epochs = [row["epoch"] for row in validation]
    for name in SCORES:
        if validation and name in validation[0]:
            right.plot(epochs, [row[name] for row in validation], marker="o", markersize=3, label=name)
    right.set(xlabel="epoch", ylabel="percent", title="Validation", ylim=(0, 100))
    if validation:
        right.legend(frameon=False, ncols=2)
    if chosen:
        right.axvline(chosen["epoch"], color="0.7", linewidth=1, zorder=0)
        right.set_title(f"Validation (chosen: epoch {chosen['epoch']}, {chosen['metric']} {chosen['score']:.1f})")
    for axes in (left, right):
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(alpha=0.25)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=120)
    with atomic_write(path) as stream:
        stream.write(buffer.getvalue())
    return Path(path)
