"""Layers that several components are built of.

Shapes: B batch, L positions, D width.
"""

from __future__ import annotations

from torch import Tensor, nn


class SelfAttention(nn.Module):
    """A stack of pre-norm Transformer encoder layers with a norm behind the last.

    Args:
        dim: D.
        depth: number of layers; 0 leaves the norm alone.
        heads: of every layer; divides D.
        mlp_ratio: width of the MLPs over D.
        dropout: of attention weights, in the MLPs and on what each half of a layer adds; 0..1.
    """

    def __init__(self, dim: int, depth: int, heads: int, mlp_ratio: float = 4.0, dropout: float = 0.1) -> None:
        super().__init__()
        # One by one: nn.TransformerEncoder copies its layer, and all would start with equal weights.
        self.layers = nn.ModuleList(
            nn.TransformerEncoderLayer(
                dim, heads, int(mlp_ratio * dim), dropout, activation="gelu", batch_first=True, norm_first=True
            )
            for _ in range(depth)
        )
        self.norm = nn.LayerNorm(dim)

    def forward(self, x_BLD: Tensor, mask_BL: Tensor | None = None) -> Tensor:
        """(B, L, D); nothing attends to positions where `mask_BL` is False."""
        padding_BL = None if mask_BL is None else ~mask_BL
        for layer in self.layers:
            x_BLD = layer(x_BLD, src_key_padding_mask=padding_BL)
        return self.norm(x_BLD)
