"""Fusion by self-attention: the comparison in the BDAM paper (Fig. 6: four layers).

Shapes: B batch, S positions, D width.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import torch
from torch import Tensor, nn

from tbpsbench.fusers.base import Fuser
from tbpsbench.fusers.pair import GatedPair
from tbpsbench.layers.attention import SelfAttention
from tbpsbench.layers.ranges import require_positive
from tbpsbench.registry import FUSERS
from tbpsbench.types import Features


@FUSERS.register(requires=("image", "text"), provides=("fused",))
class TransformerFuser(Fuser):
    """Alignment, gate, self-attention layers, a linear map.

    On one position ("pooled") attention has nothing to choose from and each layer is an MLP. On "tokens" a learnt
    read-out token is put in front, and the fused vector is what becomes of it; the cost grows with the square of the
    number of tokens.

    Args:
        dims: feature name -> width, supplied by the model.
        image: feature of the image: "identity" is BDAM's, or the mean of the patches where there is no disentangler.
        text: feature of a text made from the image, never of the query caption; None fuses no text.
        dim: width inside.
        out_dim: width of the fused vector.
        depth, heads, mlp_ratio: of the layers; `heads` divides `dim`.
        dropout: in alignment and layers, 0..1.
        text_dropout: share of texts that training leaves out, so that an image without a text can be embedded; 0..1.
        alignment, gate, sequence: see GatedPair.

    Raises:
        ValueError: if a size is not positive, `heads` does not divide `dim`, a dropout is no share, or a feature is not
            there.
    """

    def __init__(
        self,
        dims: Mapping[str, int],
        image: str = "identity",
        text: str | None = "text.identity.pooled",
        dim: int = 256,
        out_dim: int = 256,
        depth: int = 4,
        heads: int = 8,
        mlp_ratio: float = 4.0,
        dropout: float = 0.1,
        text_dropout: float = 0.3,
        alignment: bool = True,
        gate: bool = True,
        sequence: Literal["pooled", "tokens"] = "pooled",
    ) -> None:
        super().__init__()
        require_positive(out_dim=out_dim, depth=depth, heads=heads, mlp_ratio=mlp_ratio)
        if dim % heads:
            raise ValueError(f"heads ({heads}) must divide dim ({dim})")
        self.pair = GatedPair(dims, image, text, dim, dropout, text_dropout, alignment, gate, sequence)
        self.readout = nn.Parameter(0.02 * torch.randn(dim)) if sequence == "tokens" else None
        self.layers = SelfAttention(dim, depth, heads, mlp_ratio, dropout)
        self.project = nn.Linear(dim, out_dim)
        self.out_dim = out_dim

    def forward(self, features: Features) -> Tensor:
        """The fused vector (B, out_dim)."""
        x_BSD, mask_BS = self.pair(features)
        if self.readout is not None:
            x_BSD = torch.cat([self.readout.expand(x_BSD.shape[0], 1, -1), x_BSD], dim=1)
            mask_BS = torch.cat([mask_BS.new_ones(mask_BS.shape[0], 1), mask_BS], dim=1)
        return self.project(self.layers(x_BSD, mask_BS)[:, 0])
