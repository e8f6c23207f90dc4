"""CLIP weights in OpenAI's, open_clip's and Hugging Face's names, brought to one form: "visual.*" and "text.*".

Shapes: L positions, D width.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from tbpsbench.backbones.positional import stretch_text_positions
from tbpsbench.backbones.vit_weights import join_qkv, rename
from tbpsbench.errors import CheckpointError
from tbpsbench.reading import read_json
from tbpsbench.weights.hub import find_weights, unreachable

REPOSITORIES = {
    "clip-vit-base-patch16": "openai/clip-vit-base-patch16",
    "clip-vit-base-patch32": "openai/clip-vit-base-patch32",
    "clip-vit-large-patch14": "openai/clip-vit-large-patch14",
}
# What neither tower uses: the temperature, numbers about the model that OpenAI's archives hold, buffers.
UNUSED = (
    "logit_scale",
    "logit_bias",
    "input_resolution",
    "context_length",
    "vocab_size",
    "*attn_mask",
    "*position_ids",
)

TEXT_PARTS = ("positional_embedding", "text_projection", "token_embedding.", "transformer.", "ln_final.")

_BLOCK = r"(?:vision_model|text_model)\.encoder\.layers\.(\d+)\."
HUGGINGFACE = (
    (r"vision_model\.embeddings\.class_embedding", "visual.class_embedding"),
    (r"vision_model\.embeddings\.patch_embedding\.weight", "visual.conv1.weight"),
    (r"vision_model\.embeddings\.position_embedding\.weight", "visual.positional_embedding"),
    (r"vision_model\.pre_layrnorm\.(.*)", r"visual.ln_pre.\1"),  # spelt so in every release
    (r"vision_model\.post_layernorm\.(.*)", r"visual.ln_post.\1"),
    (r"visual_projection\.weight", "visual.proj"),
    (r"text_model\.embeddings\.token_embedding\.weight", "text.token_embedding.weight"),
    (r"text_model\.embeddings\.position_embedding\.weight", "text.positional_embedding"),
    (r"text_model\.final_layer_norm\.(.*)", r"text.ln_final.\1"),
    (r"text_projection\.weight", "text.text_projection"),
)
HUGGINGFACE_BLOCK = (
    (r"self_attn\.out_proj\.(.*)", r"attn.out_proj.\1"),
    (r"self_attn\.(q_proj|k_proj|v_proj)\.(.*)", r"attn.\1.\2"),
    (r"layer_norm([12])\.(.*)", r"ln_\1.\2"),
    (r"mlp\.fc1\.(.*)", r"mlp.c_fc.\1"),
    (r"mlp\.fc2\.(.*)", r"mlp.c_proj.\1"),
)
# Linear layers in Hugging Face's form, plain matrices (input, output) in OpenAI's.
TRANSPOSED = ("visual_projection.weight", "text_projection.weight")


def convert_clip(state: Mapping[str, Tensor], source: str) -> dict[str, Tensor]:
    """Bring weights to "visual.*" and "text.*" with OpenAI's names behind; names that no rule knows are kept.

    Raises:
        CheckpointError: if the names are none of the three forms.
    """
    if any(key.startswith(("vision_model.", "text_model.")) for key in state):
        return _from_huggingface(state)
    if not any(key.startswith(("visual.", "text.", *TEXT_PARTS)) for key in state):
        raise CheckpointError(
            f"{source}: no CLIP weights in OpenAI's, open_clip's or Hugging Face's names. "
            f"It holds: {', '.join(list(state)[:5])}"
        )
    return {f"text.{key}" if key.startswith(TEXT_PARTS) else key: value for key, value in state.items()}


def _from_huggingface(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    renamed = {}
    for key, value in state.items():
        renamed[_huggingface_name(key)] = value.T.contiguous() if key in TRANSPOSED else value
    return join_qkv(renamed, "attn.{}", ("q_proj", "k_proj", "v_proj"), "attn.in_proj_{}")


def _huggingface_name(key: str) -> str:
    tower = {"vision_model": "visual", "text_model": "text"}.get(key.split(".")[0])
    found = rename(key, ((_BLOCK + "(.*)", r"\1 \2"),))
    if tower is None or found == key:
        return rename(key, HUGGINGFACE)
    number, _, rest = found.partition(" ")
    return f"{tower}.transformer.resblocks.{number}.{rename(rest, HUGGINGFACE_BLOCK)}"


def tower(state: Mapping[str, Tensor], name: str) -> dict[str, Tensor]:
    """The entries "<name>.*" without that prefix, beside all others as they are."""
    return {key.removeprefix(f"{name}."): value for key, value in state.items()}


def fit_text_positions(state: dict[str, Tensor], length: int, source: str) -> dict[str, Tensor]:
    """Cut or stretch "positional_embedding" to `length` rows (see positional.stretch_text_positions).

    Raises:
        CheckpointError: if even stretched it is too short.
    """
    positions_LD = state.get("positional_embedding")
    if positions_LD is None or len(positions_LD) == length:
        return state
    given = len(positions_LD)
    if given < length:
        positions_LD = stretch_text_positions(positions_LD.float())
        if len(positions_LD) < length:
            raise CheckpointError(
                f"{source}: {given} text positions can be stretched to {len(positions_LD)}, "
                f"but context_length is {length}"
            )
    return {**state, "positional_embedding": positions_LD[:length]}


def find_clip(pretrained: str, arch: Any) -> tuple[Path, bool | None]:
    """The weight file that `pretrained` means, and whether it was trained with QuickGELU (None: nothing says so).

    Args:
        pretrained: "openai" or another tag that open_clip has for the architecture; else as in hub.find_weights.
        arch: the architecture as configured.

    Raises:
        CheckpointError: if the weights cannot be had.
    """
    known: dict[str, Any] = {}
    if isinstance(arch, str) and not Path(pretrained).exists():
        from open_clip.pretrained import get_pretrained_cfg

        known = get_pretrained_cfg(arch, pretrained)
    if known:
        return _download(known, pretrained), bool(known.get("quick_gelu", False))
    path = find_weights(pretrained, REPOSITORIES)
    return path, _activation_beside(path)


def _download(known: dict[str, Any], tag: str) -> Path:
    from open_clip.pretrained import download_pretrained

    try:
        return Path(download_pretrained(known))
    except Exception as error:  # connection, hub and file errors of several packages
        raise CheckpointError(
            unreachable(tag, known.get("hf_hub") or known.get("url", "its address"), error)
        ) from error


def _activation_beside(path: Path) -> bool | None:
    """What a config.json (Hugging Face) or open_clip_config.json beside the weights says."""
    if (path.parent / "config.json").is_file():
        config = read_json(path.parent / "config.json")
        vision = config.get("vision_config") or config
        if "hidden_act" in vision:
            return bool(vision["hidden_act"] == "quick_gelu")
    if (path.parent / "open_clip_config.json").is_file():
        return bool(read_json(path.parent / "open_clip_config.json").get("model_cfg", {}).get("quick_gelu", False))
    return None
