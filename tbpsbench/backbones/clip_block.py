"""Running open_clip's stack of residual blocks, with the attention of the last block on request (RDE reads it).

Shapes: B batch, L tokens, D width.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor


def run_blocks(
    transformer: Any, x_BLD: Tensor, mask_LL: Tensor | None, need_attention: bool
) -> tuple[Tensor, Tensor | None]:
    """Apply every block.

    Args:
        transformer: open_clip.transformer.Transformer.
        x_BLD: its input.
        mask_LL: added to the attention logits; None for full attention.
        need_attention: whether to return the last block's attention weights.

    Returns:
        The tokens (B, L, D) and the weights (B, L, L) averaged over heads, rows sum to one, or None.
    """
    if not need_attention:
        return transformer(x_BLD, attn_mask=mask_LL), None
    *blocks, last = transformer.resblocks
    for block in blocks:
        x_BLD = block(x_BLD, attn_mask=mask_LL)
    mask_LL = None if mask_LL is None else mask_LL.to(x_BLD.dtype)
    normed_BLD = last.ln_1(x_BLD)
    update_BLD, attention_BLL = last.attn(normed_BLD, normed_BLD, normed_BLD, need_weights=True, attn_mask=mask_LL)
    x_BLD = x_BLD + last.ls_1(update_BLD)
    return x_BLD + last.ls_2(last.mlp(last.ln_2(x_BLD))), attention_BLL
