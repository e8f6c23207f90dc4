"""A cross-encoder: the words of a text read the tokens of an image, and say whether the two belong together.

As in ALBEF (Li et al. 2021, section 3.1), with blocks of self-attention, cross-attention and MLP; pre-norm.

Shapes: P pairs, T words, L image tokens, D width.
"""

from __future__ import annotations

from torch import Tensor, nn


class PairEncoder(nn.Module):
    """Logits "does not match" and "matches" of pairs.

    Args:
        text_dim, image_dim: widths of the tokens.
        dim: D, to which both are brought.
        depth: blocks.
        heads: attention heads; divides D.

    Raises:
        ValueError: if `depth` is not positive or `heads` does not divide D.
    """

    def __init__(self, text_dim: int, image_dim: int, dim: int = 256, depth: int = 2, heads: int = 4) -> None:
        super().__init__()
        if depth < 1 or heads < 1 or dim % heads:
            raise ValueError(f"depth ({depth}) must be positive and heads ({heads}) divide the width ({dim})")
        self.text_in, self.image_in = nn.Linear(text_dim, dim), nn.Linear(image_dim, dim)
        block = nn.TransformerDecoderLayer(
            dim, heads, 4 * dim, dropout=0.0, activation="gelu", batch_first=True, norm_first=True
        )
        self.blocks = nn.TransformerDecoder(block, depth, norm=nn.LayerNorm(dim))
        self.out = nn.Linear(dim, 2)

    def forward(self, text_PTD: Tensor, mask_PT: Tensor, image_PLD: Tensor) -> Tensor:
        """(P, 2) logits; `mask_PT` is True on words that are there, at least one each."""
        read_PTD = self.blocks(self.text_in(text_PTD), self.image_in(image_PLD), tgt_key_padding_mask=~mask_PT)
        there_PT1 = mask_PT[..., None].to(read_PTD.dtype)
        return self.out((read_PTD * there_PT1).sum(dim=1) / there_PT1.sum(dim=1))
