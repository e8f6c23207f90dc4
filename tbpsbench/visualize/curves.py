"""Training curves from a run's logs: losses and their weights over steps, validation scores over epochs.

The run may still be going on: what is logged so far is drawn.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from tbpsbench.visualize.paper import LINES, MARKERS, PALETTE, label, plain, save_figure
from tbpsbench.visualize.scalars import Scalars, read_scalars

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PANEL_W, PANEL_H, BELOW, LEGEND_LINE = 5.5, 4.0, 0.55, 0.19  # inches; BELOW the axis is the legend
MARKS = 8  # on a line; one at every step would hide it
LONGEST, COLUMNS = 32, 4
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
    losses, weights, scores = found.series("loss_"), found.series("weight_"), found.scores()
    apart = len(losses) > 1 or bool(losses and weights)  # otherwise the loss is the one that there is
    if not apart:
        losses = {"loss": found.series("loss").get("", ([], []))}
    drawn = [losses, weights, scores] if weights else [losses, scores]
    # Room for the legends below, so that the curves keep theirs.
    legend_lines = max(-(-(len(lines) + 1) // _columns(lines)) for lines in drawn)
    size = (PANEL_W * len(drawn), PANEL_H + LEGEND_LINE * legend_lines)
    figure = Figure(figsize=size, layout="constrained")
    left, *middle, right = figure.subplots(1, len(drawn))
    _lines(left, losses)
    left.set(xlabel="step", ylabel="loss before weighing" if apart and weights else "loss", title="Training loss")
    for axes in middle:
        _lines(axes, weights)
        axes.axhline(1, color="0.7", linewidth=1, zorder=0)
        axes.set(xlabel="step", ylabel="weight", title="Weights of the losses")
        axes.set_ylim(bottom=0)
    _scores(right, found, scores)
    for axes in (left, *middle, right):
        plain(axes)
    return save_figure(figure, path)


def _scores(axes: Axes, found: Scalars, scores: Series) -> None:
    if scores:
        _lines(axes, scores)
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


def _lines(axes: Axes, lines: Series) -> None:
    """Each line with a colour, a marker and a dash of its own; what is no finite number is marked at the foot."""
    from matplotlib.ticker import MaxNLocator
    from matplotlib.transforms import ScaledTranslation

    broken: dict[str, list[int]] = {}
    for number, (name, (places, values)) in enumerate(lines.items()):
        finite = [value if math.isfinite(value) else math.nan for value in values]
        axes.plot(
            places, finite, label=label(name, LONGEST), color=PALETTE[number % len(PALETTE)],
            marker=MARKERS[number % len(MARKERS)], markersize=4, markevery=_marked(finite, number),
            linestyle=LINES[(number + number // (len(LINES) * len(MARKERS))) % len(LINES)],
        )  # fmt: skip
        if missing := [place for place, value in zip(places, finite, strict=True) if math.isnan(value)]:
            broken[name] = missing
    if broken:
        # They also keep the axis as long as the log: a run that diverged has not ended there.
        steps = sorted({place for missing in broken.values() for place in missing})
        told = label(f"not finite: {', '.join(broken)}", LONGEST)
        axes.plot(
            steps, [0.02] * len(steps), "x", color="black", markersize=5, clip_on=False, label=told,
            transform=axes.get_xaxis_transform(),
        )  # fmt: skip
    axes.xaxis.set_major_locator(MaxNLocator(nbins="auto", steps=[1, 2, 2.5, 5, 10], integer=True))
    below = axes.transAxes + ScaledTranslation(0, -BELOW, axes.figure.dpi_scale_trans)
    axes.legend(
        frameon=False, fontsize="small", ncols=_columns(lines), loc="upper center", bbox_to_anchor=(0.5, 0),
        bbox_transform=below, borderaxespad=0, columnspacing=1.2, handlelength=3.2,
    )  # fmt: skip


def _marked(values: list[float], number: int) -> list[int]:
    """Points of a line that carry its marker: some, not those of the line before, and all that no line reaches."""
    there = [place for place, value in enumerate(values) if not math.isnan(value)]
    step, known = max(1, len(there) // MARKS), set(there)
    alone = {place for place in there if place - 1 not in known and place + 1 not in known}
    return sorted({*there[(number * step // 3) % step :: step], *alone})


def _columns(lines: Series) -> int:
    """Columns of a legend that are as wide as a panel at most."""
    longest = max((len(label(name, LONGEST)) for name in lines), default=0)
    return max(1, min(COLUMNS, len(lines), int(13 * PANEL_W / (longest + 8))))
