"""Training curves from a run's logs: losses and their weights over steps, validation scores over epochs.

The run may still be going on: what is logged so far is drawn.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tbpsbench.visualize.paper import label, plain, save_figure
from tbpsbench.visualize.scalars import Scalars, read_scalars

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LINES = ("-", "--", ":", "-.")
COLOURS = 10
Series = Mapping[str, tuple[list[int], list[float]]]


def training_curves(run: str | Path, path: str | Path) -> Path:
    """Draw losses and validation scores of a run side by side, between them the weights that a balancer logged.

    Args:
        run: the folder of a run, finished or not.
        path: the PNG to write.

    Raises:
        DataError: if there are no logs, or one of them is not ours.
        StorageError: if the file cannot be written.
    """
    from matplotlib.figure import Figure

    found = read_scalars(run)
    losses, weights = found.series("loss_"), found.series("weight_")
    count = 3 if weights else 2
    figure = Figure(figsize=(5.5 * count, 4), layout="constrained")
    left, *middle, right = figure.subplots(1, count)
    _lines(left, losses if len(losses) > 1 else {"loss": found.series("loss").get("", ([], []))})
    left.set(xlabel="step", ylabel="loss before weighing" if weights else "loss", title="Training loss")
    for axes in middle:
        _lines(axes, weights)
        axes.axhline(1, color="0.7", linewidth=1, zorder=0)
        axes.set(xlabel="step", ylabel="weight", title="Weights of the losses")
        axes.set_ylim(bottom=0)
    _scores(right, found)
    for axes in (left, *middle, right):
        plain(axes)
    return save_figure(figure, path)


def _scores(axes: Axes, found: Scalars) -> None:
    from matplotlib.ticker import MaxNLocator

    scores = found.scores()
    if scores:
        _lines(axes, scores, marker="o", columns=2)
    else:
        # Without this the axis would count epochs from 0 to 1.
        axes.set_xticks([])
        text = "no validation yet" if not found.finished else "this run validated nothing"
        axes.text(0.5, 0.5, text, transform=axes.transAxes, ha="center", color="0.45")
    axes.set(xlabel="epoch", ylabel="percent", ylim=(0, 100))
    title = "Validation"
    if found.best:
        axes.axvline(found.best["epoch"], color="0.7", linewidth=1, zorder=0)
        chosen = f"epoch {found.best['epoch']}, {label(found.best.get('metric'), 24)} {found.best['score']:.1f}"
        title += f" (chosen: {chosen})"
    elif not found.finished and scores:
        title += f" (so far, to epoch {found.validation[-1]['epoch']})"
    axes.set_title(title)
    if scores:
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))


def _lines(axes: Axes, lines: Series, marker: str | None = None, columns: int = 1) -> None:
    for number, (name, (places, values)) in enumerate(lines.items()):
        # One point alone makes no line.
        look: dict[str, Any] = {"marker": marker or ("o" if len(places) == 1 else None), "markersize": 3}
        style = LINES[number // COLOURS % len(LINES)]
        axes.plot(places, values, label=label(name, 32), color=f"C{number % COLOURS}", linestyle=style, **look)
    many = len(lines) > 6 * columns
    axes.legend(frameon=False, ncols=columns + many, fontsize="small" if many else None)
