"""Released RDE checkpoints ({"model": state dict}, half precision) in this package's names."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from torch import Tensor

from tbpsbench.backbones.clip_weights import convert_clip
from tbpsbench.errors import CheckpointError
from tbpsbench.weights.convert import converter
from tbpsbench_rde.tse import TSE

if TYPE_CHECKING:
    from tbpsbench.model.person_search import PersonSearchModel

CLIP = "base_model."
LAYERS = (
    (r"visul_emb_layer\.", "image."),
    (r"texual_emb_layer\.", "text."),
    (r"^text\.linear\.", "text.fc."),  # the text side calls its direct map otherwise
    (r"mlp\.layers\.0\.", "hidden."),
    (r"mlp\.layers\.1\.", "out."),
    (r"mlp\.bns\.0\.", "norm."),
)
# Layers that the released model makes and never uses, and a counter that a fixed momentum does not need.
UNUSED = re.compile(r"visul_emb_layer\.linear\..*|.*_emb_layer\.mlp\.bns\.1\..*|.*\.num_batches_tracked")


@converter("rde", detect=lambda state: any(key.startswith("visul_emb_layer.") for key in state))
def from_released(state: Mapping[str, Tensor], model: PersonSearchModel) -> dict[str, Tensor]:
    """Rename CLIP's towers and the layers of token selection; names that no rule knows are kept for the report.

    Raises:
        CheckpointError: if the model has no head TSE, or more than one.
    """
    heads = [name for name, head in model.heads.items() if isinstance(head, TSE)]
    if len(heads) != 1:
        raise CheckpointError(f"weights of RDE go into a model with one head TSE; model.heads has {len(heads)}")
    below = {key.removeprefix(CLIP): value for key, value in state.items() if key.startswith(CLIP)}
    towers = {"visual": "image_encoder.visual", "text": "text_encoder.text"}
    converted: dict[str, Tensor] = {}
    for key, value in convert_clip(below, "the released checkpoint").items():
        tower, _, rest = key.partition(".")
        converted[f"{towers[tower]}.{rest}" if tower in towers else f"{CLIP}{key}"] = value
    for key, value in state.items():
        if not key.startswith(CLIP) and not UNUSED.fullmatch(key):
            converted[layer_name(key, heads[0])] = value
    return converted


def layer_name(key: str, head: str = "tse") -> str:
    """Our name of a parameter of the layers of token selection; any other name as it is."""
    name = key
    for pattern, replacement in LAYERS:
        name = re.sub(pattern, replacement, name)
    return f"heads.{head}.{name}" if name != key else key
