"""Fusion without a mixer: "Simple" and "w/o Mamba" in the BDAM paper (Table 2, Fig. 6).

Shapes: B batch, D width.
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

from tbpsbench.fusers.base import Fuser
from tbpsbench.fusers.pair import GatedPair
from tbpsbench.layers.ranges import require_positive
from tbpsbench.registry import FUSERS
from tbpsbench.types import Features


@FUSERS.register(requires=("image", "text"), provides=("fused",))
class SimpleFuser(Fuser):
    """Alignment, gate, and a two-layer MLP on the fused vector.

    Args:
        dims: feature name -> width, supplied by the model.
        image: feature of the image: "identity" is BDAM's, or the mean of the patches where there is no disentangler.
        text: feature of a text made from the image, never of the query caption; None fuses no text.
        dim: width inside.
        out_dim: width of the fused vector.
        dropout: in alignment and MLP, 0..1.
        text_dropout: share of texts that training leaves out, so that an image without a text can be embedded; 0..1.
        alignment, gate: switches of Table 2, see GatedPair.

    Raises:
        ValueError: if a width is not positive, a dropout no share, or a feature is not there.
    """

    def __init__(
        self,
        dims: Mapping[str, int],
        image: str = "identity",
        text: str | None = "text.identity.pooled",
        dim: int = 256,
        out_dim: int = 256,
        dropout: float = 0.1,
        text_dropout: float = 0.3,
        alignment: bool = True,
        gate: bool = True,
    ) -> None:
        super().__init__()
        require_positive(out_dim=out_dim)
        self.pair = GatedPair(dims, image, text, dim, dropout, text_dropout, alignment, gate)
        self.mlp = nn.Sequential(nn.Linear(dim, dim), nn.GELU(), nn.Dropout(dropout), nn.Linear(dim, out_dim))
        self.out_dim = out_dim

    def forward(self, features: Features) -> Tensor:
        """The fused vector (B, out_dim)."""
        fused_B1D, _ = self.pair(features)
        return self.mlp(fused_B1D[:, 0])
