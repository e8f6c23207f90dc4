"""Distributions of the gates over a split (Fig. 4 of the BDAM paper): BDAM's, and the fuser's where it has one.

Shapes: N images, D width of the gate, K bins.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from torch import Tensor, nn

from tbpsbench.data.eval_set import GallerySet
from tbpsbench.engine.embed import embed_features
from tbpsbench.errors import ConfigError
from tbpsbench.fusers.pair import GatedPair
from tbpsbench.model.base import SearchModel
from tbpsbench.model.wiring import PATCH_MEAN
from tbpsbench.visualize.paper import PALETTE, heading, plain, save_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BINS, LOW, HIGH = 50, 0.1, 0.9


@dataclass(frozen=True)
class Gates:
    """What the gates were on every image of a split.

    Attributes:
        identity_ND: g, the identity's share of each dimension; the clothing's is 1 - g.
        fusion_N2: W_img and W_txt; None where the fuser has no learnt gate.
        fused_text: whether a text went in with the images; otherwise the null vector stood for it.
    """

    identity_ND: np.ndarray
    fusion_N2: np.ndarray | None
    fused_text: bool


@dataclass(frozen=True)
class Spread:
    """A distribution in four numbers.

    Attributes:
        mean, std: of all values.
        low, high: shares of values below 0.1 and above 0.9, 0..1: there a sigmoid hardly learns any more.
    """

    mean: float
    std: float
    low: float
    high: float

    def __str__(self) -> str:
        saturated = f"{100 * self.low:.1f} % < {LOW}, {100 * self.high:.1f} % > {HIGH}"
        return f"mean {self.mean:.2f}, std {self.std:.2f}\n{saturated}"


def require_gate(model: SearchModel) -> None:
    """Refuse a model that has no gate of identity and clothing.

    Raises:
        ConfigError: naming the key of the config and what to do.
    """
    if "gate" in model.dims:
        return
    disentangler = getattr(model, "disentangler", None)  # a plug-in's model may have none
    if disentangler is None or type(disentangler).__name__ == PATCH_MEAN["type"]:
        why = "model.disentangler is None"
    elif hasattr(disentangler, "gate"):
        why = "model.disentangler.gate is False"
    else:
        why = f"model.disentangler ({type(disentangler).__name__}) does not provide the feature 'gate'"
    raise ConfigError(
        f"{why}: the model has no gate to draw. Take a config with model.disentangler=dict(type='BDAM', gate=True) and "
        "a checkpoint that was trained with it."
    )


def gate_values(model: SearchModel, gallery: GallerySet, batch_size: int = 64) -> Gates:
    """Every value of the gates on the images of a split, with the texts that evaluation gives them.

    Args:
        model: in evaluation mode.
        gallery: the images.
        batch_size: images at a time.

    Raises:
        ConfigError: if the model has no gate.
    """
    require_gate(model)
    pair = next((part for part in model.modules() if isinstance(part, GatedPair)), None)
    with _outputs(None if pair is None else pair.gate) as logits:
        identity_ND = embed_features(model, gallery, ["gate"], batch_size)["gate"].numpy()
    fusion_N2 = np.concatenate([part.float().softmax(-1).cpu().numpy() for part in logits]) if logits else None
    role = pair.text.split(".")[1] if pair is not None and pair.text is not None else None
    return Gates(identity_ND, fusion_N2, role in gallery.roles)


def spread(values: np.ndarray) -> Spread:
    """Mean, deviation and saturated shares of gate values, whatever their shape."""
    return Spread(
        float(values.mean()), float(values.std()), float((values < LOW).mean()), float((values > HIGH).mean())
    )


def histogram(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Percent of the values in each of 50 equal bins of 0..1, (K,), and the bins' edges, (K + 1,)."""
    count_K, edge_K1 = np.histogram(values, bins=BINS, range=(0, 1))
    return 100 * count_K / values.size, edge_K1


def sorted_dimensions(values_ND: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean of each dimension over the images in rising order, and its 10 % and 90 % quantiles; (D,) each."""
    order_D = np.argsort(values_ND.mean(axis=0), kind="stable")
    low_D, high_D = np.quantile(values_ND[:, order_D], (0.1, 0.9), axis=0)
    return values_ND.mean(axis=0)[order_D], low_D, high_D


def gate_figure(gates: Gates, title: str, path: str | Path) -> Path:
    """Draw identity against clothing weights, the fuser's image against text weights, and the gate by dimension.

    Args:
        gates: of a split.
        title: says whose they are.
        path: the PNG to write.

    Raises:
        StorageError: if the file cannot be written.
    """
    from matplotlib.figure import Figure

    count = 2 if gates.fusion_N2 is None else 3
    figure = Figure(figsize=(5.4 * count, 4.8), layout="constrained")
    first, *middle, last = figure.subplots(1, count)
    images, width = gates.identity_ND.shape
    _distributions(first, {"identity, g": gates.identity_ND, "clothing, 1 - g": 1 - gates.identity_ND})
    first.set(title="BDAM's gate", xlabel="weight", ylabel=f"percent of {images} images x {width} dimensions")
    for axes in middle:
        assert gates.fusion_N2 is not None
        other = "description" if gates.fused_text else "null vector"
        _distributions(axes, {"image": gates.fusion_N2[:, 0], other: gates.fusion_N2[:, 1]})
        told = "" if gates.fused_text else ", a gallery without texts"
        axes.set(title=f"Fuser's gate{told}", xlabel="weight", ylabel=f"percent of {images} images")
    mean_D, low_D, high_D = sorted_dimensions(gates.identity_ND)
    x_D = np.arange(width)
    last.fill_between(x_D, low_D, high_D, color=PALETTE[0], alpha=0.2, linewidth=0, label="80 % of the images")
    last.plot(x_D, mean_D, color=PALETTE[0], label="mean over the images")
    last.axhline(0.5, color="0.6", linewidth=1, linestyle=":")
    last.set(title="BDAM's gate by dimension", xlabel="dimension, sorted by its mean", ylabel="g", ylim=(0, 1))
    last.set_xlim(0, max(width - 1, 1))
    last.legend(frameon=False, loc="upper left")
    plain(last)
    heading(figure, title)
    return save_figure(figure, path)


def _distributions(axes: Axes, kinds: dict[str, np.ndarray]) -> None:
    top = 0.0
    for (name, values), colour, hatch in zip(kinds.items(), PALETTE, ("", "///"), strict=False):
        share_K, edge_K1 = histogram(values)
        label = f"{name}\n{spread(values)}"
        axes.stairs(share_K, edge_K1, fill=True, color=colour, alpha=0.25, hatch=hatch, label=label)
        axes.stairs(share_K, edge_K1, color=colour, linewidth=1.2)
        axes.vlines(values.mean(), 0, 1.08 * share_K.max(), color=colour, linestyle="--", linewidth=1.2)
        top = max(top, float(share_K.max()))
    # Room for the legend above the highest bin.
    axes.set(xlim=(0, 1), ylim=(0, 1.4 * top))
    axes.legend(frameon=False, loc="upper center", ncols=2, fontsize=9, handlelength=1.4, columnspacing=1.4)
    plain(axes)


@contextmanager
def _outputs(module: nn.Module | None) -> Iterator[list[Tensor]]:
    """What a module returns while the block runs: the fuser's weights are no feature, so they are listened to."""
    seen: list[Tensor] = []
    if module is None:
        yield seen
        return
    handle = module.register_forward_hook(lambda _module, _given, made: seen.append(made))
    try:
        yield seen
    finally:
        handle.remove()
