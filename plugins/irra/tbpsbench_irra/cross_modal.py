"""IRRA's cross-modal encoder and the head that names masked tokens (IRRA, section 3.3; released `model/build.py`).

Parameters have the released names. Shapes: B batch, T text tokens, L image tokens, M masked tokens, D width, V words.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

HEAD_WIDTH = 64  # of CLIP: eight heads at its width of 512


class CrossModalEncoder(nn.Module):
    """Text tokens read the image's tokens once, then themselves in `depth` residual blocks.

    There is no residual around the cross-attention: what leaves it are mixtures of image tokens. The blocks are CLIP's
    (pre-norm, QuickGELU, MLP four times as wide), without a causal mask.

    Args:
        dim: D.
        depth: number of blocks.
        heads: attention heads; None for D / 64, at least 1.

    Raises:
        ValueError: if `depth` is not positive or `heads` does not divide D.
    """

    def __init__(self, dim: int, depth: int = 4, heads: int | None = None) -> None:
        super().__init__()
        heads = max(1, dim // HEAD_WIDTH) if heads is None else heads
        if depth < 1 or heads < 1 or dim % heads:
            raise ValueError(f"depth ({depth}) must be positive and heads ({heads}) divide the width ({dim})")
        from open_clip.transformer import LayerNorm, QuickGELU, Transformer

        self.heads = heads
        self.cross_attn = nn.MultiheadAttention(dim, heads, batch_first=True)
        self.cross_modal_transformer = Transformer(width=dim, layers=depth, heads=heads, act_layer=QuickGELU)
        self.ln_pre_t, self.ln_pre_i, self.ln_post = LayerNorm(dim), LayerNorm(dim), LayerNorm(dim)
        into, back = dim**-0.5, dim**-0.5 * (2 * depth) ** -0.5
        _normal(self.cross_attn, into, back)
        for block in self.cross_modal_transformer.resblocks:
            _normal(block.attn, into, back)
            nn.init.normal_(block.mlp.c_fc.weight, std=(2 * dim) ** -0.5)
            nn.init.normal_(block.mlp.c_proj.weight, std=back)

    def forward(self, text_BTD: Tensor, image_BLD: Tensor, mask_BT: Tensor | None = None) -> Tensor:
        """Tokens (B, T, D) that know text and image.

        Args:
            text_BTD: what asks.
            image_BLD: what is read.
            mask_BT: bool, True on the text tokens that the blocks attend to; None for all, padding included.
        """
        image_BLD = self.ln_pre_i(image_BLD)
        x_BTD, _ = self.cross_attn(self.ln_pre_t(text_BTD), image_BLD, image_BLD, need_weights=False)
        x_BTD = self.cross_modal_transformer(x_BTD, attn_mask=None if mask_BT is None else self._bias(mask_BT, x_BTD))
        return self.ln_post(x_BTD)

    def _bias(self, mask_BT: Tensor, x_BTD: Tensor) -> Tensor:
        """(B * heads, T, T), added to the attention logits."""
        bias_BT = torch.zeros_like(mask_BT, dtype=x_BTD.dtype).masked_fill(~mask_BT, float("-inf"))
        return bias_BT.repeat_interleave(self.heads, dim=0)[:, None].expand(-1, mask_BT.shape[1], -1)


class MLMHead(nn.Module):
    """A score for every word of the vocabulary: Linear, QuickGELU, norm, Linear.

    Args:
        dim: D.
        vocab_size: V.
        depth: of the encoder below; the last layer starts smaller above a deep one.
    """

    def __init__(self, dim: int, vocab_size: int, depth: int) -> None:
        super().__init__()
        from open_clip.transformer import LayerNorm, QuickGELU

        self.dense, self.gelu, self.ln = nn.Linear(dim, dim), QuickGELU(), LayerNorm(dim)
        self.fc = nn.Linear(dim, vocab_size)
        nn.init.normal_(self.dense.weight, std=(2 * dim) ** -0.5)
        nn.init.normal_(self.fc.weight, std=dim**-0.5 * (2 * depth) ** -0.5)

    def forward(self, x_MD: Tensor) -> Tensor:
        """Scores (M, V)."""
        return self.fc(self.ln(self.gelu(self.dense(x_MD))))


def _normal(attention: nn.MultiheadAttention, into: float, back: float) -> None:
    nn.init.normal_(attention.in_proj_weight, std=into)
    nn.init.normal_(attention.out_proj.weight, std=back)
