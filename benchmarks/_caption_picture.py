"""The picture of docs/captions.md: what errors in generated captions cost, from the committed records.

python benchmarks/_caption_picture.py [--out docs/images/caption-errors.png]
"""

from __future__ import annotations

import argparse
from pathlib import Path

from _caption_tables import ERRORS
from _tables import HERE, measured
from matplotlib.figure import Figure

from tbpsbench.visualize.paper import PALETTE, heading, plain, save_figure

SYSTEMS = {"irra": "IRRA", "rde": "RDE"}


def draw(path: Path) -> Path:
    """R@1 and mAP over the share of wrong attributes; human captions and the static caption as lines beside them."""
    rows = measured()
    figure = Figure(figsize=(10, 4.4), layout="constrained")
    for axes, column in zip(figure.subplots(1, 2), ("R@1", "mAP"), strict=True):
        for (system, name), colour in zip(SYSTEMS.items(), PALETTE, strict=False):
            found = [(rate, rows.get(f"{system}-mtg" + ("" if rate == 10 else f"-wrong-{rate}"))) for rate in ERRORS]
            points = [(rate, row.scores[column]) for rate, row in found if row]
            means, errors = [s.mean for _, s in points], [s.std or 0 for _, s in points]
            axes.errorbar(
                [rate for rate, _ in points], means, errors, color=colour, marker="o", capsize=3, label=f"{name}, MTG"
            )
            if (human := rows.get(system)) is not None:
                axes.axhline(human.scores[column].mean, color=colour, linestyle="--", label=f"{name}, human captions")
            if (static := rows.get(f"{system}-static")) is not None:
                axes.plot(10, static.scores[column].mean, color=colour, marker="x", markersize=9, linestyle="",
                          label=f"{name}, static caption")  # fmt: skip
        axes.set(
            xlabel="attributes that the model takes for others, percent", ylabel=f"{column}, percent", ylim=(0, None)
        )
        axes.set_xticks(ERRORS)
        plain(axes)
    handles, labels = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3, frameon=False)
    heading(figure, "MiniPEDES: trained on captions by a simulated model, searched with human ones")
    return save_figure(figure, path)


def main() -> None:
    """Draw it."""
    arguments = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    arguments.add_argument("--out", type=Path, default=HERE.parent / "docs" / "images" / "caption-errors.png")
    print(draw(arguments.parse_args().out))


if __name__ == "__main__":
    main()
