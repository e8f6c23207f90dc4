"""t-SNE of identity and clothing vectors (BDAM, Fig. 5).

What t-SNE shows of distances between groups is little; so every panel says how often the nearest neighbour agrees, in
the vectors' own space. That the two kinds lie apart in one picture shows little, too: they leave different layers, and
do so before any training.

Shapes: N images, D width.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tbpsbench.data.evaluation import EvaluationData
from tbpsbench.engine.embed import embed_features
from tbpsbench.errors import DataError
from tbpsbench.model.base import SearchModel
from tbpsbench.types import ImageRecord
from tbpsbench.visualize.paper import PALETTE, heading, label, legend_columns, plain, save_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

KINDS = ("identity", "clothing")
BATCH_SIZE = 64
# Filled for identity, crosses for clothing, as in the paper; another shape after every round of the palette.
SHAPES = {"identity": ("o", "s", "^", "D"), "clothing": ("x", "+", "1", (8, 2, 0))}
GROUPS = len(PALETTE) * len(SHAPES["identity"])


@dataclass(frozen=True)
class Shown:
    """What a figure shows.

    Attributes:
        vectors: "identity", and "clothing" where the model has it -> (N, D), L2-normalised.
        pids: (N,) whose images.
        labels: (N,) what colours them.
        colour: what the labels are, "pid" or an attribute.
    """

    vectors: Mapping[str, np.ndarray]
    pids: np.ndarray
    labels: np.ndarray
    colour: str


def show(model: SearchModel, data: EvaluationData, split: str, persons: int = 12, colour: str = "pid") -> Shown:
    """Vectors and labels of some persons' images.

    Args:
        model: in evaluation mode; one without a disentangler has identity vectors alone, as the paper's Fig. 5 (a).
        data: queries and galleries.
        split: e.g. "test".
        persons: those with the most images; fewer if the split has fewer.
        colour: "pid", or an attribute that the data set knows.

    Raises:
        DataError: for an unknown attribute, too few images, or more labels than can be told apart.
    """
    gallery = data.gallery(split)
    positions = pick_persons(gallery.pids, persons)
    records = [data.annotations.records[gallery.image_ids[position]] for position in positions]
    labels = labels_of(records, colour)
    if len(set(labels)) > GROUPS:
        raise DataError(
            f"--colour {colour}: {len(set(labels))} values, but only {GROUPS} can be told apart. Use fewer --persons."
        )
    kinds = [kind for kind in KINDS if kind in model.dims]
    vectors = embed_features(model, gallery, kinds, BATCH_SIZE, positions=positions)
    return Shown({kind: unit(x_ND.numpy()) for kind, x_ND in vectors.items()}, gallery.pids[positions], labels, colour)


def pick_persons(pids_G: np.ndarray, persons: int) -> list[int]:
    """Positions of the images of the persons with the most images; the smaller pid goes first among equals.

    Raises:
        DataError: if that leaves fewer than two persons or four images.
    """
    pids, counts = np.unique(pids_G, return_counts=True)
    chosen = pids[np.argsort(-counts, kind="stable")[: max(persons, 0)]]
    positions = np.flatnonzero(np.isin(pids_G, chosen))
    if len(chosen) < 2 or len(positions) < 4:
        raise DataError(
            f"{len(positions)} images of {len(chosen)} persons: t-SNE needs two persons and four images. Use more "
            "--persons or another --split."
        )
    return [int(position) for position in positions]


def labels_of(records: Sequence[ImageRecord], colour: str) -> np.ndarray:
    """What colours each image: its person, or an attribute, "unknown" where an image lacks it.

    Raises:
        DataError: if no image has that attribute; lists what there is.
    """
    known = [_attributes(record) for record in records]
    names = {name for facts in known for name in facts}
    if colour not in names:
        raise DataError(f"--colour {colour}: the images have no such attribute. There is: {', '.join(sorted(names))}")
    return np.array([str(facts.get(colour, "unknown")) for facts in known])


def unit(x_ND: np.ndarray) -> np.ndarray:
    """L2-normalised rows: retrieval compares directions."""
    return x_ND / np.maximum(np.linalg.norm(x_ND, axis=1, keepdims=True), 1e-12)


def lay_out(x_ND: np.ndarray) -> np.ndarray:
    """t-SNE in the plane, (N, 2); the same on every call.

    The exact method: the approximation adds up over threads in any order.
    """
    from sklearn.manifold import TSNE

    perplexity = min(30.0, (len(x_ND) - 1) / 3)
    # The components that start it: PCA by power iterations could leave their signs to the machine.
    centred_ND = x_ND.astype(np.float64) - x_ND.mean(axis=0, dtype=np.float64)
    left_NK, size_K, _ = np.linalg.svd(centred_ND, full_matrices=False)
    start_N2 = left_NK[:, :2] * size_K[:2]
    start_N2 *= np.where(start_N2[np.abs(start_N2).argmax(axis=0), [0, 1]] < 0, -1, 1)
    start_N2 *= 1e-4 / max(float(start_N2[:, 0].std()), 1e-12)
    made = TSNE(perplexity=perplexity, init=start_N2, method="exact", random_state=0).fit_transform(centred_ND)
    return np.asarray(made, dtype=np.float64)


def agreement(x_ND: np.ndarray, labels: np.ndarray, pids: np.ndarray, colour: str = "pid") -> tuple[float, float]:
    """How often the nearest neighbour by cosine has the same label, and how often a random one would; 0..1.

    Neighbours are all other images if persons are the labels, otherwise the images of other persons: those of the same
    person wear the same things.
    """
    others_NN = ~np.eye(len(x_ND), dtype=bool) if colour == "pid" else pids[:, None] != pids[None]
    same_NN = labels[:, None] == labels[None]
    nearest_N = np.where(others_NN, x_ND @ x_ND.T, -np.inf).argmax(axis=1)
    chance_N = (same_NN & others_NN).sum(axis=1) / others_NN.sum(axis=1)
    return float(same_NN[np.arange(len(x_ND)), nearest_N].mean()), float(chance_N.mean())


def tsne_figure(shown: Shown, title: str, path: str | Path) -> Path:
    """Draw identity vectors, clothing vectors, and both in one embedding.

    Args:
        shown: what to draw; without clothing vectors there is one panel.
        title: says whose vectors they are.
        path: the PNG to write.

    Raises:
        StorageError: if the file cannot be written.
    """
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

    both = len(shown.vectors) > 1
    name = "person" if shown.colour == "pid" else label(shown.colour, 32)
    groups = sorted(set(shown.labels), key=lambda label: (int(label), "") if label.isdigit() else (0, label))
    figure = Figure(figsize=(16, 6.6) if both else (7, 7.4), layout="constrained")
    panels = figure.subplots(1, 3 if both else 1, squeeze=False)[0]
    for axes, (kind, x_ND) in zip(panels, shown.vectors.items(), strict=False):
        _points(axes, lay_out(x_ND), shown.labels, groups, kind)
        share, chance = agreement(x_ND, shown.labels, shown.pids, shown.colour)
        nearest = "nearest image shows the same" if shown.colour == "pid" else "nearest other person has the same"
        found = f"{100 * share:.0f} % (by chance {100 * chance:.0f} %)"
        axes.set_title(f"{kind} vectors\n{nearest} {name}:\n{found}", fontsize=11)
    if both:
        plane = lay_out(np.concatenate(list(shown.vectors.values())))
        for kind, part_N2 in zip(shown.vectors, np.split(plane, len(shown.vectors)), strict=True):
            _points(panels[-1], part_N2, shown.labels, groups, kind, size=5)
        filled, crosses = "filled: identity", "crosses: clothing"
        panels[-1].set_title(f"both in one embedding\n{filled}\n{crosses}", fontsize=11)
    names = [label(group, 32) for group in groups]
    handles = [Line2D([], [], linestyle="", label=text, **_style(i, "identity")) for i, text in enumerate(names)]
    # Red may well be drawn in black: the palette is for telling apart.
    over = name if shown.colour == "pid" else f"{name} (the plot's colours, not those named)"
    figure.legend(
        handles=handles, loc="outside lower center", ncols=legend_columns(figure, names, 14 if both else 7),
        title=over, frameon=False, columnspacing=1,
    )  # fmt: skip
    heading(figure, title)
    return save_figure(figure, path)


def _points(
    axes: Axes, plane_N2: np.ndarray, labels: np.ndarray, groups: Sequence[str], kind: str, size: float = 7
) -> None:
    for number, group in enumerate(groups):
        x, y = plane_N2[labels == group].T
        axes.plot(x, y, linestyle="", **_style(number, kind) | {"markersize": size})
    axes.set(xticks=[], yticks=[])
    axes.margins(0.06)
    plain(axes, grid=False)


def _style(number: int, kind: str) -> dict[str, Any]:
    """Colour and shape of a group."""
    colour, shape = PALETTE[number % len(PALETTE)], SHAPES[kind][number // len(PALETTE)]
    return {"marker": shape, "color": colour, "markersize": 7, "markeredgewidth": 1.6, "alpha": 0.85}


def _attributes(record: ImageRecord) -> dict[str, Any]:
    """Everything that is known of an image and is one value."""
    known = {"pid": record.pid, "camera": record.camera, "outfit": record.outfit, **record.attributes}
    return {name: value for name, value in known.items() if isinstance(value, str | int)}
