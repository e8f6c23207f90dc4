"""Released parameter names and ours, and the conversion of released checkpoints.

    ours                                   released
    image_encoder.visual.*                 base_model.visual.*
    text_encoder.text.*                    base_model.*
    losses.NAME.classifier.*               classifier.*
    losses.NAME.encoder.*                  cross_attn.*, cross_modal_transformer.*, ln_pre_t.*, ln_pre_i.*, ln_post.*
    losses.NAME.mlm_head.*                 mlm_head.*

The rest of a name is the same on both sides. NAME is whatever the config calls the loss.
"""

from __future__ import annotations

import re

from torch import Tensor, nn

from tbpsbench.weights.convert import State, converter

RULES = (
    (r"^image_encoder\.visual\.", "base_model.visual."),
    (r"^text_encoder\.text\.", "base_model."),
    (r"^losses\.[^.]+\.(?:encoder\.)?(?=(?:classifier|cross_|ln_|mlm_head))", ""),
)


def released_name(name: str) -> str:
    """The name that the released code gives to a parameter of ours; names without a counterpart stay."""
    for pattern, replacement in RULES:
        name = re.sub(pattern, replacement, name)
    return name


@converter(
    "irra",
    # RDE's checkpoints have the same base_model, but selection layers instead of these.
    detect=lambda state: (
        "base_model.visual.conv1.weight" in state
        and not any(name.startswith(("visul_emb_layer.", "texual_emb_layer.")) for name in state)
    ),
)
def from_released(state: State, model: nn.Module) -> dict[str, Tensor]:
    """A released state dict in the names of `model`; names that it has no place for stay as they are."""
    ours = {released_name(name): name for name in model.state_dict()}
    return {ours.get(name, name): tensor for name, tensor in state.items()}
