"""A fuser in thirty lines: the image's vector plus a gated vector of the text that was made from the image.

Shapes: B batch, D width.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from tbpsbench.fusers.base import Fuser
from tbpsbench.registry import FUSERS
from tbpsbench.types import Features


@FUSERS.register(requires=("image", "text"), provides=("fused",))
class GatedSum(Fuser):
    """fused = image + sigmoid(gate) * Linear(text); the image alone where there is no text.

    Args:
        dims: feature name -> width, supplied by the model.
        image: feature of the image side, (B, D).
        text: feature of the text made from the image, (B, D_t); never the query, which the result is compared with.
            None fuses nothing.
        text_dropout: share of training images that do without their text, as every image of a gallery without texts
            does; 0..1.

    Raises:
        ValueError: if `text_dropout` is not in 0..1.
    """

    def __init__(
        self,
        dims: Mapping[str, int],
        image: str = "image.pooled",
        text: str | None = "text.identity.pooled",
        text_dropout: float = 0.3,
    ) -> None:
        super().__init__()
        if not 0 <= text_dropout <= 1:
            raise ValueError(f"text_dropout is {text_dropout}, expected 0..1")
        self.image, self.text, self.text_dropout = image, text, text_dropout
        self.out_dim = dims[image]
        self.project = nn.Linear(dims[text], self.out_dim) if text else None
        self.gate_D = nn.Parameter(torch.zeros(self.out_dim))

    def forward(self, features: Features) -> Tensor:
        """The fused vector (B, D)."""
        image_BD = features[self.image]
        if self.project is None or self.text is None or self.text not in features:
            return image_BD
        text_BD = self.project(features[self.text])
        if self.training:
            kept_B1 = torch.rand(len(text_BD), 1, device=text_BD.device) >= self.text_dropout
            text_BD = text_BD * kept_B1
        return image_BD + self.gate_D.sigmoid() * text_BD
