"""Fusion by a state space model: the fuser of the BDAM paper (section 3.4).

Shapes: B batch, S positions, D width.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import torch
from torch import Tensor, nn

from tbpsbench.fusers.base import Fuser
from tbpsbench.fusers.mamba_block import MambaBlock
from tbpsbench.fusers.pair import GatedPair, last_position
from tbpsbench.layers.ranges import require_positive
from tbpsbench.registry import FUSERS
from tbpsbench.types import Features


@FUSERS.register(requires=("image", "text"), provides=("fused",))
class MambaFuser(Fuser):
    """Alignment, gate, layers of x + Mamba(x), a linear map.

    On one position ("pooled", the paper's text) nothing is carried from anywhere: a layer is a gated MLP and its decay
    rates get no gradient. On "tokens" the cost is linear in their number, and the fused vector is read at the last
    position of the text, the only one that has seen everything.

    Args:
        dims: feature name -> width, supplied by the model.
        image: feature of the image: "identity" is BDAM's, or the mean of the patches where there is no disentangler.
        text: feature of a text made from the image, never of the query caption; None fuses no text.
        dim: width inside.
        out_dim: width of the fused vector.
        depth: number of layers.
        d_state, d_conv, expand: of the layers, see MambaBlock.
        dropout: in the alignment, 0..1.
        text_dropout: share of texts that training leaves out, so that an image without a text can be embedded; 0..1.
        alignment, gate, sequence: see GatedPair.

    Raises:
        ValueError: if a size is not positive, a dropout no share, or a feature is not there.
    """

    def __init__(
        self,
        dims: Mapping[str, int],
        image: str = "identity",
        text: str | None = "text.identity.pooled",
        dim: int = 256,
        out_dim: int = 256,
        depth: int = 2,
        d_state: int = 16,
        d_conv: int = 4,
        expand: int = 2,
        dropout: float = 0.1,
        text_dropout: float = 0.3,
        alignment: bool = True,
        gate: bool = True,
        sequence: Literal["pooled", "tokens"] = "pooled",
    ) -> None:
        super().__init__()
        require_positive(out_dim=out_dim, depth=depth)
        self.pair = GatedPair(dims, image, text, dim, dropout, text_dropout, alignment, gate, sequence)
        self.layers = nn.ModuleList(MambaBlock(dim, d_state, d_conv, expand) for _ in range(depth))
        self.project = nn.Linear(dim, out_dim)
        self.out_dim = out_dim

    def forward(self, features: Features) -> Tensor:
        """The fused vector (B, out_dim)."""
        x_BSD, mask_BS = self.pair(features)
        for layer in self.layers:
            x_BSD = layer(x_BSD) + x_BSD
        rows_B = torch.arange(x_BSD.shape[0], device=x_BSD.device)
        return self.project(x_BSD[rows_B, last_position(mask_BS)])
