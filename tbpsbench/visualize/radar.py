"""Efficiency radar of several systems from their records (BDAM, Fig. 6).

Every axis runs from 0 to 100, outer is better. The paper does not say how it normalises; here the best system has 100
and the others their ratio to it, best / value for costs and value / best for mAP. So half of an axis is twice the cost
of the best, small differences stay small, and rings can carry true values.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from textwrap import fill
from typing import TYPE_CHECKING, Any

import numpy as np

from tbpsbench.arguments import did_you_mean
from tbpsbench.errors import ConfigError, DataError
from tbpsbench.leaderboard.render.rows import Row, rows_of
from tbpsbench.records.read import find_records, read_record
from tbpsbench.visualize.paper import LINES, MARKERS, PALETTE, heading, label, legend_columns, save_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

RINGS = (25, 50, 75, 100)
# Behind a ring's value, so that the lines of the systems do not strike it through.
PATCH = {"facecolor": "white", "edgecolor": "none", "alpha": 0.75, "pad": 0.6}
HOST, GPU = "peak_memory_host", "peak_memory_gpu"


@dataclass(frozen=True)
class Axis:
    """One direction of the radar.

    Attributes:
        name: as drawn.
        values: of each system, in true units.
        unit: of the values, "" for plain numbers.
        cost: less is better.
    """

    name: str
    values: tuple[float, ...]
    unit: str = ""
    cost: bool = True

    @property
    def scores(self) -> tuple[float, ...]:
        """0..100 for each system, 100 for the best."""
        best = min(self.values) if self.cost else max(self.values)
        if self.cost:
            return tuple(100 * best / value for value in self.values)
        return tuple(100 * value / best if best else 0.0 for value in self.values)

    def at(self, score: float) -> float:
        """The true value that a score stands for."""
        return 100 * min(self.values) / score if self.cost else score / 100 * max(self.values)

    def text(self, value: float) -> str:
        """A true value with its unit."""
        return f"{value:.1f} %" if self.unit == "%" else f"{short(value)}{self.unit}".strip()


@dataclass(frozen=True)
class Radar:
    """What a figure shows.

    Attributes:
        systems: their labels.
        rows: the leaderboard's rows, means over seeds.
        axes: parameters, FLOPs, peak memory, mAP.
        notes: what a reader must know.
    """

    systems: tuple[str, ...]
    rows: tuple[Row, ...]
    axes: tuple[Axis, ...]
    notes: tuple[str, ...]


def read_radar(folders: Iterable[str | Path], protocol: str = "standard") -> Radar:
    """Systems of some records, grouped as the leaderboard does, means over their seeds.

    Args:
        folders: of records, or folders with records anywhere below.
        protocol: whose mAP.

    Raises:
        ConfigError: if a record has no such protocol; lists its own.
        DataError: if a record lacks a value (names record and key), records are of different data, some are measured on
            a GPU and some are not, or there are more systems than can be told apart.
    """
    found: dict[Path, tuple[str, Mapping[str, Any]]] = {}
    for folder in folders:
        below = find_records(folder)
        if not below:
            raise DataError(f"{folder}: no record.json in it or below")
        for path in below:
            found.setdefault(path.resolve(), (str(path), read_record(path)))
    records = list(found.values())
    memory = _memory_key(records)
    for folder, record in records:
        _require(folder, record, protocol)
    rows = [row for row in rows_of(records) if row.protocol == protocol]
    if len(data := sorted({row.data for row in rows})) > 1:
        raise DataError(f"the records are of different data: {', '.join(data)}. Draw one of them.")
    labels = _labels(rows, dict(records))
    if len(rows) > len(PALETTE):
        names = "; ".join(labels)
        raise DataError(f"{len(rows)} systems, but only {len(PALETTE)} can be distinguished. Pick some of: {names}")
    axes = (
        Axis("parameters", tuple(row.cost["parameters"] for row in rows)),
        Axis("FLOPs, image + caption", tuple(row.cost["image_flops"] + row.cost["text_flops"] for row in rows)),
        Axis("peak GPU memory" if memory == GPU else "peak process memory", tuple(r.cost[memory] for r in rows), "B"),
        Axis("mAP", tuple(row.scores["mAP"].mean for row in rows), "%", cost=False),
    )
    return Radar(tuple(labels), tuple(rows), axes, (_about(memory, records), *_badges(rows)))


def short(value: float) -> str:
    """Three digits and a decimal prefix: 910464 -> "910 k"."""
    for factor, prefix in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= factor:
            return f"{_three(value / factor)} {prefix}"
    return f"{_three(value)} "


def radar_figure(radar: Radar, path: str | Path) -> Path:
    """Draw the radar, and beside it a table of the true values.

    Raises:
        StorageError: if the file cannot be written.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(16, 7.4))
    figure.set_layout_engine("constrained", h_pad=0.12)
    grid = figure.add_gridspec(1, 2, width_ratios=(1, 1.15))
    polar = figure.add_subplot(grid[0], projection="polar")
    _web(polar, radar)
    table = figure.add_subplot(grid[1])
    table.axis("off")
    _table(table, radar)
    handles, labels = polar.get_legend_handles_labels()
    columns = legend_columns(figure, labels, len(PALETTE))
    figure.legend(handles, labels, loc="outside lower center", ncols=columns, frameon=False)
    first = radar.rows[0]
    heading(figure, f"{label(first.data)}, {label(first.protocol)}: cost and accuracy, outer is better")
    return save_figure(figure, path)


def _web(polar: Any, radar: Radar) -> None:
    angles = (np.pi / 2 - 2 * np.pi * np.arange(len(radar.axes)) / len(radar.axes)) % (2 * np.pi)
    for number, system in enumerate(radar.systems):
        scores = [axis.scores[number] for axis in radar.axes]
        look = {"color": PALETTE[number], "marker": MARKERS[number], "linestyle": LINES[number % len(LINES)]}
        polar.plot([*angles, angles[0]], [*scores, scores[0]], label=label(system), linewidth=1.8, markersize=7, **look)
    polar.set(ylim=(0, 102), xticks=angles, xticklabels=[], xlim=(0, 2 * np.pi))
    polar.set_rgrids(RINGS, labels=[])
    polar.grid(alpha=0.35)
    polar.spines["polar"].set_visible(False)
    for axis, angle in zip(radar.axes, angles, strict=True):
        x, y = round(float(np.cos(angle))), round(float(np.sin(angle)))
        free = {"textcoords": "offset points", "annotation_clip": False}
        for ring in RINGS:
            beside = {"xytext": (6, 0), "va": "center"} if x == 0 else {"xytext": (0, 6), "ha": "center"}
            value = axis.text(axis.at(ring))
            polar.annotate(value, (angle, ring), fontsize=8, color="0.25", bbox=PATCH, zorder=9, **beside, **free)
        name = f"{axis.name}\n({'less' if axis.cost else 'more'} is better)"
        sides = {"ha": ("right", "center", "left")[x + 1], "va": ("top", "center", "bottom")[y + 1]}
        polar.annotate(name, (angle, 104), xytext=(14 * x, 14 * y), fontsize=10.5, **sides, **free)


def _table(axes: Axes, radar: Radar) -> None:
    cells = []
    for number, (system, row) in enumerate(zip(radar.systems, radar.rows, strict=True)):
        values = [axis.text(axis.values[number]) for axis in radar.axes]
        deviation = row.scores["mAP"].std
        values[-1] += f" ± {deviation:.1f}" if deviation is not None else ""
        missing = f" of {len(row.seeds) + len(row.missing_seeds)}" if row.missing_seeds else ""
        cells.append([fill(label(system, 50), 26), f"{len(row.seeds)}{missing}", *values])
    heads = ["system", "seeds", *(axis.name.replace(", ", ",\n").replace(" memory", "\nmemory") for axis in radar.axes)]
    table = axes.table(
        cells, colLabels=heads, loc="center", cellLoc="right", edges="horizontal",
        colWidths=[0.28, 0.08, 0.15, 0.19, 0.15, 0.15],
    )  # fmt: skip
    table.auto_set_font_size(False)
    table.set_fontsize(9.5)
    for (line, column), cell in table.get_celld().items():
        lines = 1 + max(cells[line - 1][0].count("\n"), 1) if line else 2
        cell.set_height(0.02 + 0.03 * lines + 0.02 * (line == 0))
        cell.set_edgecolor("0.8")
        if column == 0:
            cell.set_text_props(ha="left", color=PALETTE[line - 1] if line else "black")
    notes = "\n".join(fill(label(note, 400), 110) for note in radar.notes)
    axes.text(0.5, 0, notes, transform=axes.transAxes, ha="center", fontsize=9, color="0.35")


def _memory_key(records: Sequence[tuple[str, Mapping[str, Any]]]) -> str:
    """The peak memory that all records hold: of the GPU, or of the process where none was measured on a GPU.

    Raises:
        DataError: if some hold the one and some the other, or one holds neither.
    """
    places = {folder: dict(record.get("cost", {}).get("peak_memory_bytes") or {}) for folder, record in records}
    on_gpu = [folder for folder, place in places.items() if "gpu" in place]
    if len(on_gpu) == len(places):
        return GPU
    if on_gpu:
        other = next(folder for folder, place in places.items() if "gpu" not in place)
        raise DataError(
            f"{other}/record.json: no cost.peak_memory_bytes.gpu, but {on_gpu[0]} has it; memory of a GPU and of a "
            "process cannot share an axis. Draw records from one kind of machine."
        )
    return HOST


def _require(folder: str, record: Mapping[str, Any], protocol: str) -> None:
    """Refuse a record that lacks the protocol, or a value of the radar."""
    cost, results = record.get("cost", {}), record["results"]
    if protocol not in results:
        known = [name for name, result in results.items() if "mAP" in result.get("scores", {})]
        raise ConfigError(
            f"--protocol {protocol}: {folder}/record.json has no such results.{did_you_mean(protocol, known)} "
            f"There are: {', '.join(known)}"
        )
    host = dict(cost.get("peak_memory_bytes") or {})
    needed = {f"cost.{key}": cost.get(key) for key in ("parameters", "image_flops", "text_flops")}
    needed |= {"cost.peak_memory_bytes.host": host.get("gpu", host.get("host"))}
    missing = [key for key, value in needed.items() if not isinstance(value, int | float) or value <= 0]
    if "mAP" not in results.get(protocol, {}).get("scores", {}):
        missing.append(f"results.{protocol}.scores.mAP")
    if missing:
        raise DataError(
            f"{folder}/record.json: no {', no '.join(missing)}; the radar needs it. Evaluate the run again with "
            "tools/train.py --resume auto, or leave this record out."
        )


def _labels(rows: Sequence[Row], records: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """System names, with what tells rows of one name apart; in the end that is the fingerprint of their configs."""
    told = [[row.system, *([f"trained on {row.trained_on}"] if row.trained_on != row.data else [])] for row in rows]
    for field in ("track", "selection"):
        if len({getattr(row, field) for row in rows}) > 1:
            for parts, row in zip(told, rows, strict=True):
                parts.append(f"selected on {row.selection}" if field == "selection" else row.track)
    labels = [", ".join(parts) for parts in told]
    often = Counter(map(label, labels))
    prints = [records[row.records[0]]["system_sha256"][:8] for row in rows]
    return [f"{x}, {mark}" if often[label(x)] > 1 else x for x, mark in zip(labels, prints, strict=True)]


def _about(memory: str, records: Sequence[tuple[str, Mapping[str, Any]]]) -> str:
    devices = sorted({str(record.get("environment", {}).get("device", "unknown")) for _, record in records})
    what = "largest allocation on the GPU" if memory == GPU else "largest size of the process, libraries included"
    return f"Peak memory, of training and evaluation: {what}; on {', '.join(devices)}."


def _badges(rows: Sequence[Row]) -> list[str]:
    badges: dict[str, list[str]] = {}
    for row in rows:
        for badge in row.badges:
            badges.setdefault(badge, []).append(label(row.system, 32))
    return [f"{badge}: {', '.join(dict.fromkeys(systems))}" for badge, systems in badges.items()]


def _three(value: float) -> str:
    return f"{value:.0f}" if value >= 99.95 else f"{value:.1f}" if value >= 9.995 else f"{value:.2f}"
