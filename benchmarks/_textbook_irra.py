"""IRRA's forward pass and losses as one would write them down first; the reference of benchmarks/training.py.

Nothing is saved: attention is softmax(Q K^T) V, every token is projected, every position gets a score for every word.
It reads the parameters of our model by name and shares no code with it.

Shapes: B batch, T text tokens, L image tokens, D width, V words.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn.functional import conv2d, cross_entropy, layer_norm, linear

Weights = Mapping[str, Tensor]
HEAD_WIDTH = 64


def losses(p: Weights, image_B3HW: Tensor, ids_BT: Tensor, masked_BT: Tensor, label_BT: Tensor, pid_B: Tensor,
           *, attend_padding: bool) -> dict[str, Tensor]:  # fmt: skip
    """SDM at scale 50, ID and MLM of one batch.

    Args:
        p: parameters by our names.
        image_B3HW: pictures.
        ids_BT, masked_BT, label_BT: captions of 77 tokens, with masked tokens, and what was masked (0 elsewhere).
        pid_B: identities.
        attend_padding: whether the cross-modal blocks read padding.
    """
    image_BLD = encode_image(p, image_B3HW)
    text_BTD, masked_BTD = encode_text(p, ids_BT), encode_text(p, masked_BT)
    image_BD, text_BD = image_BLD[:, 0], text_BTD[torch.arange(len(ids_BT)), ids_BT.argmax(dim=1)]
    sdm = matching(image_BD, text_BD, pid_B)
    classifier = p["losses.id.classifier.weight"], p["losses.id.classifier.bias"]
    ids = (cross_entropy(linear(image_BD, *classifier), pid_B) + cross_entropy(linear(text_BD, *classifier), pid_B)) / 2
    unread_BT = None if attend_padding else masked_BT == 0
    score_BTV = words(p, masked_BTD, image_BLD, unread_BT)
    mlm = cross_entropy(score_BTV.flatten(0, 1), label_BT.flatten(), ignore_index=0)
    return {"sdm": sdm, "id": ids, "mlm": mlm}


def matching(image_BD: Tensor, text_BD: Tensor, pid_B: Tensor) -> Tensor:
    """KL of the softmax of the similarities from the identities' shares, both directions added."""
    image_BD, text_BD = (x / x.norm(dim=1, keepdim=True) for x in (image_BD, text_BD))
    same_BB = (pid_B[:, None] == pid_B[None, :]).float()
    share_BB = same_BB / same_BB.sum(dim=1, keepdim=True)
    total = torch.zeros(())
    for logits_BB in (50 * image_BD @ text_BD.T, 50 * text_BD @ image_BD.T):
        p_BB = logits_BB.softmax(dim=1)
        total = total + (p_BB * (logits_BB.log_softmax(dim=1) - (share_BB + 1e-8).log())).sum(dim=1).mean()
    return total


def encode_image(p: Weights, image_B3HW: Tensor) -> Tensor:
    """All tokens (B, L, D) of CLIP's image tower, projected."""
    at = "image_encoder.visual."
    weight = p[f"{at}conv1.weight"]
    patches_BLD = conv2d(image_B3HW, weight, stride=weight.shape[-1]).flatten(2).transpose(1, 2)
    cls_B1D = p[f"{at}class_embedding"].expand(len(image_B3HW), 1, -1)
    x_BLD = torch.cat([cls_B1D, patches_BLD], dim=1) + p[f"{at}positional_embedding"]
    x_BLD = blocks(p, f"{at}transformer.", norm(p, f"{at}ln_pre", x_BLD), None)
    return norm(p, f"{at}ln_post", x_BLD) @ p[f"{at}proj"]


def encode_text(p: Weights, ids_BT: Tensor) -> Tensor:
    """All tokens (B, T, D) of CLIP's text tower, projected."""
    at = "text_encoder.text."
    x_BTD = p[f"{at}token_embedding.weight"][ids_BT] + p[f"{at}positional_embedding"]
    later_TT = torch.ones(ids_BT.shape[1], ids_BT.shape[1], dtype=torch.bool).triu(1)
    x_BTD = blocks(p, f"{at}transformer.", x_BTD, later_TT)
    return norm(p, f"{at}ln_final", x_BTD) @ p[f"{at}text_projection"]


def words(p: Weights, text_BTD: Tensor, image_BLD: Tensor, unread_BT: Tensor | None) -> Tensor:
    """Scores (B, T, V) of all words at all positions."""
    at = "losses.mlm.encoder."
    asked, read = norm(p, f"{at}ln_pre_t", text_BTD), norm(p, f"{at}ln_pre_i", image_BLD)
    x_BTD = attention(p, f"{at}cross_attn.", asked, read, None)
    x_BTD = blocks(p, f"{at}cross_modal_transformer.", x_BTD, None if unread_BT is None else unread_BT[:, None, None])
    x_BTD, at = norm(p, f"{at}ln_post", x_BTD), "losses.mlm.mlm_head."
    x_BTD = linear(x_BTD, p[f"{at}dense.weight"], p[f"{at}dense.bias"])
    x_BTD = norm(p, f"{at}ln", x_BTD * (1.702 * x_BTD).sigmoid())
    return linear(x_BTD, p[f"{at}fc.weight"], p[f"{at}fc.bias"])


def blocks(p: Weights, at: str, x_BTD: Tensor, hidden: Tensor | None) -> Tensor:
    """Pre-norm residual blocks with QuickGELU, as many as there are parameters for."""
    number = 0
    while f"{at}resblocks.{number}.ln_1.weight" in p:
        here = f"{at}resblocks.{number}."
        y_BTD = norm(p, f"{here}ln_1", x_BTD)
        x_BTD = x_BTD + attention(p, f"{here}attn.", y_BTD, y_BTD, hidden)
        y_BTD = norm(p, f"{here}ln_2", x_BTD)
        y_BTD = linear(y_BTD, p[f"{here}mlp.c_fc.weight"], p[f"{here}mlp.c_fc.bias"])
        y_BTD = y_BTD * (1.702 * y_BTD).sigmoid()
        x_BTD = x_BTD + linear(y_BTD, p[f"{here}mlp.c_proj.weight"], p[f"{here}mlp.c_proj.bias"])
        number += 1
    return x_BTD


def attention(p: Weights, at: str, asked_BTD: Tensor, read_BLD: Tensor, hidden: Tensor | None) -> Tensor:
    """softmax(Q K^T / sqrt(width)) V, step by step; `hidden` is True where nothing may be read."""
    weight, bias = p[f"{at}in_proj_weight"].chunk(3), p[f"{at}in_proj_bias"].chunk(3)
    sources = (asked_BTD, read_BLD, read_BLD)
    query, key, value = (
        linear(x, w, b).unflatten(-1, (-1, HEAD_WIDTH)).transpose(1, 2)
        for x, w, b in zip(sources, weight, bias, strict=True)
    )
    score = query @ key.transpose(-2, -1) / HEAD_WIDTH**0.5
    if hidden is not None:
        score = score.masked_fill(hidden, float("-inf"))
    mixed_BTD = (score.softmax(dim=-1) @ value).transpose(1, 2).flatten(2)
    return linear(mixed_BTD, p[f"{at}out_proj.weight"], p[f"{at}out_proj.bias"])


def norm(p: Weights, at: str, x_BTD: Tensor) -> Tensor:
    """Layer norm over the last axis."""
    return layer_norm(x_BTD, x_BTD.shape[-1:], p[f"{at}.weight"], p[f"{at}.bias"])
