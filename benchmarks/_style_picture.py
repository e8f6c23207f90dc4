"""The picture of style_clustering.py: captions in the plane, coloured by who wrote them so and by what was found."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from tbpsbench.visualize.paper import PALETTE, heading, label, legend_columns, plain, save_figure
from tbpsbench.visualize.tsne import lay_out

SHAPES = ("o", "x", "^", "s")
MOST = 600  # captions that are drawn: the exact t-SNE is of the order of their square
NAMES = {"minilm": "MiniLM", "clip-random": "CLIP with random weights"}
COLUMNS = ("KMeans", "DBSCAN")


def draw(shown: dict[tuple[str, str], dict[str, Any]], styles: np.ndarray, path: Path) -> Path:
    """A row for each embedding: coloured by the true style, by k-means' clusters and by DBSCAN's.

    Args:
        shown: (embedder, masking) -> `rows` (N, D), `labels` by clusterer (N,), and what was `found`.
        styles: (N,) names.
        path: of the PNG.
    """
    names = sorted(set(styles.tolist()))
    style_N = np.array([names.index(style) for style in styles])
    asked = np.unique(np.linspace(0, len(styles) - 1, min(MOST, len(styles))).astype(int))
    figure = Figure(figsize=(14, 4.5 * len(shown) + 0.8), layout="constrained")
    panels = figure.subplots(len(shown), 1 + len(COLUMNS), squeeze=False)
    for line, ((embedder, masking), held) in zip(panels, shown.items(), strict=True):
        plane_M2 = lay_out(held["rows"][asked])
        what = (
            f"{NAMES.get(embedder, embedder)}, {'attributes masked' if masking == 'masked' else 'captions as they are'}"
        )
        _points(line[0], plane_M2, style_N[asked], f"{what}\ncoloured by annotator style")
        for axes, name in zip(line[1:], COLUMNS, strict=True):
            label_N, found = held["labels"][name], held["found"][name]
            if label_N is None:
                label_N, told = np.zeros(len(styles), dtype=int), "refuses: no usable clusters"
            else:
                told = f"{found['clusters']} clusters, ARI {found['ari']:.2f}"
            _points(axes, plane_M2, label_N[asked], f"{name}\n{told}")
    handles = [Line2D([], [], linestyle="", label=label(name), **_style(number)) for number, name in enumerate(names)]
    figure.legend(
        handles=handles, loc="outside lower center", ncols=legend_columns(figure, names, 10), frameon=False,
        title="annotator style (first column); clusters have colours of their own",
    )  # fmt: skip
    heading(figure, "Training captions of MiniPEDES by how they are written (t-SNE)")
    return save_figure(figure, path)


def _points(axes: Any, plane_M2: np.ndarray, label_M: np.ndarray, title: str) -> None:
    for number in np.unique(label_M):
        axes.plot(*plane_M2[label_M == number].T, linestyle="", **_style(int(number)))
    axes.set(xticks=[], yticks=[])
    axes.set_title(title, fontsize=11)
    axes.margins(0.06)
    plain(axes, grid=False)


def _style(number: int) -> dict[str, Any]:
    colour, shape = PALETTE[number % len(PALETTE)], SHAPES[number // len(PALETTE) % len(SHAPES)]
    return {"marker": shape, "color": colour, "markersize": 4.5, "alpha": 0.85}
