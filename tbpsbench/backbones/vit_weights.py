"""ViT weights in mmpretrain's, timm's and Hugging Face's names, brought to mmpretrain's.

Shapes: L positions, D width.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Literal

import torch
from torch import Tensor

from tbpsbench.backbones.positional import resize_grid
from tbpsbench.errors import CheckpointError
from tbpsbench.weights.files import strip_prefix

Form = Literal["mmpretrain", "timm", "huggingface"]

# Parts of whole classifiers that an encoder has no use for.
UNUSED = ("head.*", "fc_norm.*", "pre_logits.*", "classifier.*", "pooler.*", "data_preprocessor.*", "neck.*")

# (pattern, replacement) from each form to mmpretrain's; the first that matches a key is used.
TIMM = (
    (r"patch_embed\.proj\.(.*)", r"patch_embed.projection.\1"),
    (r"norm\.(.*)", r"ln1.\1"),
    (r"blocks\.(\d+)\.norm([12])\.(.*)", r"layers.\1.ln\2.\3"),
    (r"blocks\.(\d+)\.mlp\.fc1\.(.*)", r"layers.\1.ffn.layers.0.0.\2"),
    (r"blocks\.(\d+)\.mlp\.fc2\.(.*)", r"layers.\1.ffn.layers.1.\2"),
    (r"blocks\.(\d+)\.attn\.(qkv|proj)\.(.*)", r"layers.\1.attn.\2.\3"),
)
# The released files name the blocks `encoder.layer.N...`, the modules of transformers 5 `layers.N...`.
_BLOCK = r"(?:encoder\.layer|layers)\.(\d+)\."
HUGGINGFACE = (
    (r"embeddings\.cls_token", "cls_token"),
    (r"embeddings\.position_embeddings", "pos_embed"),
    (r"embeddings\.patch_embeddings\.projection\.(.*)", r"patch_embed.projection.\1"),
    (r"layernorm\.(.*)", r"ln1.\1"),
    (_BLOCK + r"layernorm_before\.(.*)", r"layers.\1.ln1.\2"),
    (_BLOCK + r"layernorm_after\.(.*)", r"layers.\1.ln2.\2"),
    (_BLOCK + r"(?:attention\.output\.dense|attention\.o_proj)\.(.*)", r"layers.\1.attn.proj.\2"),
    (_BLOCK + r"(?:intermediate\.dense|mlp\.fc1)\.(.*)", r"layers.\1.ffn.layers.0.0.\2"),
    (_BLOCK + r"(?:output\.dense|mlp\.fc2)\.(.*)", r"layers.\1.ffn.layers.1.\2"),
    (_BLOCK + r"attention\.(?:attention\.)?(query|key|value)\.(.*)", r"layers.\1.attn.\2.\3"),
    (_BLOCK + r"attention\.q_proj\.(.*)", r"layers.\1.attn.query.\2"),
    (_BLOCK + r"attention\.k_proj\.(.*)", r"layers.\1.attn.key.\2"),
    (_BLOCK + r"attention\.v_proj\.(.*)", r"layers.\1.attn.value.\2"),
)


def detect_form(state: Mapping[str, Tensor], source: str) -> Form:
    """Whose names these are.

    Raises:
        CheckpointError: if they are nobody's; shows some of them.
    """
    if "patch_embed.projection.weight" in state:
        return "mmpretrain"
    if "patch_embed.proj.weight" in state:
        return "timm"
    if "embeddings.patch_embeddings.projection.weight" in state:
        return "huggingface"
    raise CheckpointError(
        f"{source}: no ViT weights in mmpretrain's, timm's or Hugging Face's names. "
        f"It holds: {', '.join(list(state)[:5])}"
    )


def convert_vit(state: Mapping[str, Tensor], source: str) -> dict[str, Tensor]:
    """Rename to mmpretrain's names; query, key and value become one matrix; names that no rule knows are kept.

    Raises:
        CheckpointError: if the names are none of the three forms.
    """
    for prefix in ("backbone.", "vit."):
        if any(key.startswith(prefix) for key in state):
            rest = {key: value for key, value in state.items() if not key.startswith(prefix)}
            state = {**strip_prefix(state, prefix), **rest}
    form = detect_form(state, source)
    if form == "mmpretrain":
        return dict(state)
    rules = TIMM if form == "timm" else HUGGINGFACE
    return join_qkv({rename(key, rules): value for key, value in state.items()}, "attn.{}", ("query", "key", "value"))


def rename(key: str, rules: tuple[tuple[str, str], ...]) -> str:
    """The key rewritten by the first rule that matches the whole of it, or unchanged."""
    for pattern, replacement in rules:
        found = re.fullmatch(pattern, key)
        if found:
            return found.expand(replacement)
    return key


def join_qkv(
    state: Mapping[str, Tensor],
    part: str,
    names: tuple[str, str, str],
    joined: str = "attn.qkv.{}",
) -> dict[str, Tensor]:
    """Stack three projections into one, in the order q, k, v.

    Args:
        state: the weights.
        part: how a projection is spelt, `{}` for its name, e.g. "attn.{}".
        names: the names of q, k and v.
        joined: how the stacked one is spelt, `{}` for "weight" or "bias".

    Returns:
        The weights with each complete triple replaced; incomplete ones stay as they are and show up as unexpected keys.
    """
    result = dict(state)
    first = part.format(names[0])
    for key in state:
        owner, separator, kind = key.rpartition(f"{first}.")
        if not separator or (owner and not owner.endswith(".")):
            continue
        triple = [f"{owner}{part.format(name)}.{kind}" for name in names]
        if all(name in state for name in triple):
            result[owner + joined.format(kind)] = torch.cat([result.pop(name) for name in triple])
    return result


def assumed_grid(state: Mapping[str, Tensor], key: str, to_hw: tuple[int, int]) -> tuple[str, ...]:
    """What `fit_positions` takes for granted of a grid that could also be another; nothing where it is clear."""
    count, root = to_hw[0] * to_hw[1], math.isqrt(to_hw[0] * to_hw[1])
    if key not in state or state[key].shape[-2] - 1 != count or to_hw[0] == to_hw[1] or root**2 != count:
        return ()
    return (f"{key}: {count} positions taken as the model's own grid, {to_hw[0]} x {to_hw[1]}, not as {root} x {root}",)


def fit_positions(state: dict[str, Tensor], key: str, to_hw: tuple[int, int], source: str) -> dict[str, Tensor]:
    """Resize the position grid under `key`, after one CLS row, to the model's grid.

    A grid of as many cells as the model's is taken for the model's own, also where it could be a square.

    Raises:
        CheckpointError: if the grid in the file is neither square nor of the size wanted.
    """
    positions = state.get(key)
    if positions is None:
        return state
    count = positions.shape[-2] - 1
    if count == to_hw[0] * to_hw[1]:
        return state
    try:
        # In float32: OpenAI's files are in half precision, and what lies between two positions would be rounded to it.
        return {**state, key: resize_grid(positions.float(), to_hw)}
    except ValueError as error:
        raise CheckpointError(f"{source}: {key}: {error}. The model's grid is {to_hw[0]} x {to_hw[1]}.") from error
