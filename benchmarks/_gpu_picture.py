"""The picture of docs/performance.md: time and memory of the contrastive losses on a GPU, from the committed result.

python benchmarks/_gpu_picture.py [--out docs/images/gpu-contrastive.png]
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from _tables import HERE
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullLocator

from tbpsbench.visualize.paper import PALETTE, heading, plain, save_figure

LOSSES, WIDTH, DTYPE = ("InfoNCE", "SDM"), 512, "bfloat16"
VALUES = {"ms": "forward and backward, ms", "peak_mb": "peak memory, MB"}


def draw(found: dict[str, Any], path: Path) -> Path:
    """A row of panels for each value, a column for each loss, a line for each implementation with a correct result."""
    rows = [row for row in found["rows"] if row["section"] == "contrastive" and "arms" in row]
    figure = Figure(figsize=(11, 8), layout="constrained")
    panels = figure.subplots(len(VALUES), len(LOSSES), squeeze=False)
    sizes = sorted({row["size"]["N"] for row in rows})
    arms = list(dict.fromkeys(arm for row in rows for arm in row["arms"]))
    for line, (value, told) in zip(panels, VALUES.items(), strict=True):
        for axes, loss in zip(line, LOSSES, strict=True):
            wanted = [r for r in rows if (r["job"], r["dtype"], r["size"]["D"]) == (loss, DTYPE, WIDTH)]
            for colour, arm in zip(PALETTE, arms, strict=False):
                points = sorted(
                    (r["size"]["N"], r["arms"][arm][value]) for r in wanted if value in r["arms"].get(arm, {})
                )
                if points:
                    axes.plot(*zip(*points, strict=True), color=colour, marker="o", label=arm)
            axes.set(xscale="log", yscale="log", xlabel="pairs", ylabel=told, title=loss)
            axes.set_xticks(sizes, [f"{size:,}" for size in sizes], rotation=30)
            axes.xaxis.set_minor_locator(NullLocator())
            axes.yaxis.set_major_formatter(FuncFormatter(lambda number, _: f"{number:,g}"))
            plain(axes)
    handles = {
        text: handle for axes in panels.flat for handle, text in zip(*axes.get_legend_handles_labels(), strict=True)
    }
    figure.legend(handles.values(), handles.keys(), loc="outside lower center", ncols=5, frameon=False)
    facts = next(row["facts"] for row in found["rows"] if row["section"] == "facts" and "facts" in row)
    heading(
        figure,
        f"{DTYPE}, width {WIDTH}, on {facts['device']}, torch {facts['torch']}, triton {facts['triton']}",
    )
    return save_figure(figure, path)


def main() -> None:
    """Draw it."""
    arguments = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    arguments.add_argument("--out", type=Path, default=HERE.parent / "docs" / "images" / "gpu-contrastive.png")
    found = json.loads((HERE / "results" / "gpu.json").read_text(encoding="utf-8"))
    print(draw(found, arguments.parse_args().out))


if __name__ == "__main__":
    main()
