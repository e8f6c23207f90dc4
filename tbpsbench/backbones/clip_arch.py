"""Sizes of CLIP's towers: from a model name that open_clip knows or from a dict."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from tbpsbench.reading import read_json

VISION_KEYS = {"image_size", "layers", "width", "head_width", "patch_size", "mlp_ratio"}
TEXT_KEYS = {"context_length", "vocab_size", "width", "heads", "layers", "mlp_ratio"}
HEAD_WIDTH = 64  # of every published CLIP ViT unless its config says otherwise


@dataclass(frozen=True)
class VisionArch:
    """Image tower: `embed_dim` is the width after the projection, `width` the one inside."""

    embed_dim: int
    width: int
    layers: int
    heads: int
    patch_size: int
    mlp_ratio: float = 4.0
    quick_gelu: bool | None = None


@dataclass(frozen=True)
class TextArch:
    """Text tower: `embed_dim` is the width after the projection, `width` the one inside."""

    embed_dim: int
    width: int
    layers: int
    heads: int
    vocab_size: int = 49408
    context_length: int = 77
    mlp_ratio: float = 4.0
    quick_gelu: bool | None = None


def vision_arch(arch: str | Mapping[str, Any]) -> VisionArch:
    """Sizes of an image tower.

    Args:
        arch: an open_clip model name, or a dict with embed_dim, width, layers, patch_size and optionally heads
            (default: width / 64) and mlp_ratio.

    Raises:
        ValueError: for an unknown name, one that is no plain CLIP ViT, or a dict with wrong keys.
    """
    if isinstance(arch, str):
        config = _open_clip_config(arch)
        part = config["vision_cfg"]
        sizes = {key: part[key] for key in ("width", "layers", "patch_size")} | {"embed_dim": config["embed_dim"]}
        heads = part["width"] // part.get("head_width", HEAD_WIDTH)
        return VisionArch(
            **sizes, heads=heads, mlp_ratio=part.get("mlp_ratio", 4.0), quick_gelu=config.get("quick_gelu")
        )
    sizes = _checked(arch, {"embed_dim", "width", "layers", "patch_size"}, {"heads", "mlp_ratio"})
    sizes.setdefault("heads", max(1, sizes["width"] // HEAD_WIDTH))
    return VisionArch(**_divisible(sizes))


def text_arch(arch: str | Mapping[str, Any]) -> TextArch:
    """Sizes of a text tower.

    Args:
        arch: an open_clip model name, or a dict with embed_dim, width, layers and optionally heads (default:
            width / 64), vocab_size (49408), context_length (77) and mlp_ratio (4).

    Raises:
        ValueError: for an unknown name, one that is no plain CLIP ViT, or a dict with wrong keys.
    """
    if isinstance(arch, str):
        config = _open_clip_config(arch)
        return TextArch(embed_dim=config["embed_dim"], quick_gelu=config.get("quick_gelu"), **config["text_cfg"])
    optional = {"heads", "vocab_size", "context_length", "mlp_ratio"}
    sizes = _checked(arch, {"embed_dim", "width", "layers"}, optional)
    sizes.setdefault("heads", max(1, sizes["width"] // HEAD_WIDTH))
    return TextArch(**_divisible(sizes))


def context_length(arch: str | Mapping[str, Any]) -> int | None:
    """Longest text of a text tower, told without importing open_clip or asking a hub; None where that takes more.

    Raises:
        ValueError: for a dict with wrong keys.
    """
    if not isinstance(arch, str):
        return text_arch(arch).context_length
    spec = find_spec("open_clip")
    for folder in (spec and spec.submodule_search_locations) or ():
        path = Path(folder) / "model_configs" / f"{arch}.json"
        if path.is_file():
            return int(read_json(path).get("text_cfg", {}).get("context_length", TextArch.context_length))
    return None


def activation(quick_gelu: bool) -> Any:
    """The class of the MLP's activation: OpenAI's x * sigmoid(1.702 x), or GELU."""
    from torch import nn

    from tbpsbench.layers.quick_gelu import QuickGELU

    return QuickGELU if quick_gelu else nn.GELU


def _open_clip_config(name: str) -> dict[str, Any]:
    import open_clip

    config = open_clip.get_model_config(name)
    if config is not None and _is_plain(config):
        return config
    plain = [known for known in open_clip.list_models() if _is_plain(open_clip.get_model_config(known))]
    reason = "is unknown" if config is None else "is not a plain CLIP with a ViT and a causal text tower"
    raise ValueError(f"arch {name!r} {reason}; known: {', '.join(plain)}, or a dict")


def _is_plain(config: Mapping[str, Any]) -> bool:
    vision, text = config["vision_cfg"], config["text_cfg"]
    return set(vision) <= VISION_KEYS and set(text) <= TEXT_KEYS and isinstance(vision["layers"], int)


def _checked(arch: Mapping[str, Any], needed: set[str], optional: set[str]) -> dict[str, Any]:
    if not isinstance(arch, Mapping) or not needed <= set(arch) <= needed | optional:
        raise ValueError(
            f"arch must be an open_clip model name or a dict with {', '.join(sorted(needed))} and optionally "
            f"{', '.join(sorted(optional))}; got {arch!r}"
        )
    return dict(arch)


def _divisible(sizes: dict[str, Any]) -> dict[str, Any]:
    if sizes["width"] % sizes["heads"]:
        raise ValueError(f"width {sizes['width']} is not divisible by heads {sizes['heads']}")
    return sizes
