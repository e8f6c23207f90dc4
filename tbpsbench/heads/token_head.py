"""Late interaction: words and patches are kept, and each takes its best partner (ColBERT, FILIP).

Shapes: B batch, T words, L patches, D width.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal

from torch import Tensor, nn
from torch.nn.functional import normalize

from tbpsbench.heads.base import Head, Side
from tbpsbench.kernels.max_sim import Direction, max_sim
from tbpsbench.layers.ranges import require_positive
from tbpsbench.registry import HEADS
from tbpsbench.types import Batch, Embedding, Features
from tbpsbench.vectors import Vectors


@HEADS.register(requires=("image", "text", "text_mask"))
class TokenHead(Head):
    """Compare the tokens of an image with those of a text by max-sim.

    Args:
        dims: feature name -> width, supplied by the model.
        image: tokens of the image, (B, L, D).
        text, text_mask: tokens of the text, (B, T, D), and which of them are there, (B, T).
        embed_dim: common width, to which linear maps bring both sides; > 0.
        direction: "text": each word takes its best patch (ColBERT); "image": each patch its best word; "both": the mean
            of the two (FILIP).
        weight: share of this head in the similarity; > 0.

    Raises:
        ValueError: if a weight or width is not positive.
    """

    cosine: ClassVar[bool] = False

    def __init__(
        self,
        dims: Mapping[str, int],
        image: str = "image.patches",
        text: str = "text.query.tokens",
        text_mask: str = "text.query.mask",
        embed_dim: int = 256,
        direction: Literal["text", "image", "both"] = "text",
        weight: float = 1.0,
    ) -> None:
        super().__init__()
        require_positive(weight=weight, embed_dim=embed_dim)
        self.image, self.text, self.text_mask = image, text, text_mask
        self.dim, self.weight = embed_dim, weight
        self.direction: Direction = direction
        self.image_projection, self.text_projection = (nn.Linear(dims[name], embed_dim) for name in (image, text))

    def forward(self, features: Features, batch: Batch) -> Embedding:  # noqa: ARG002
        """Project the tokens of the sides that are there to (B, L, dim) and (B, T, dim)."""
        image_BLD = self.image_projection(features[self.image]) if self.image in features else None
        if self.text not in features:
            return Embedding(image_BLD, None, self.weight)
        text_BTD, mask_BT = self.text_projection(features[self.text]), features[self.text_mask]
        return Embedding(image_BLD, text_BTD, self.weight, text_mask=mask_BT)

    def score(self, text: Vectors, image: Vectors) -> Tensor:
        """Max-sim of each text with each image, (Q, G) in -1..1."""
        return max_sim(text.values, image.values, text.mask, image.mask, self.direction)

    def first_stage(self, vectors: Vectors, side: Side) -> Tensor | None:  # noqa: ARG002
        """The mean of the tokens, normalised: a coarse stand-in that finds candidates."""
        values = vectors.values if vectors.mask is None else vectors.values * vectors.mask[..., None]
        return normalize(values.sum(dim=1), dim=-1)
