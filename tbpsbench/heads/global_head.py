"""The plain head: one pooled vector per side, projected to a common width where asked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from torch import Tensor, nn

from tbpsbench.heads.base import Head
from tbpsbench.layers.ranges import require_positive
from tbpsbench.registry import HEADS
from tbpsbench.types import Batch, Embedding, Features


@HEADS.register(requires=("image", "text"))
class GlobalHead(Head):
    """Compare one feature of the image with one feature of the text.

    Args:
        dims: feature name -> width, supplied by the model.
        image: feature of the image side, (B, D_i).
        text: feature of the text side, (B, D_t).
        embed_dim: common width, to which linear maps bring the sides. None compares the features as they are (CLIP).
        weight: share of this head in the similarity; > 0.
        project: the sides that get a map; the other one must be `embed_dim` wide already, as a fuser's output is.

    Raises:
        ValueError: if the sides then differ in width, or a weight or width is not positive.
    """

    def __init__(
        self,
        dims: Mapping[str, int],
        image: str = "image.pooled",
        text: str = "text.query.pooled",
        embed_dim: int | None = None,
        weight: float = 1.0,
        project: Literal["both", "image", "text"] = "both",
    ) -> None:
        super().__init__()
        require_positive(weight=weight)
        if embed_dim is not None:
            require_positive(embed_dim=embed_dim)
        image_dim = embed_dim if embed_dim and project != "text" else dims[image]
        text_dim = embed_dim if embed_dim and project != "image" else dims[text]
        if image_dim != text_dim:
            widths = f"{image} is {image_dim} wide and {text} {text_dim}"
            raise ValueError(f"{widths}: set embed_dim, and project='both', to bring both to one width")
        self.image, self.text, self.weight, self.dim = image, text, weight, image_dim
        self.image_projection = nn.Linear(dims[image], image_dim) if embed_dim and project != "text" else nn.Identity()
        self.text_projection = nn.Linear(dims[text], text_dim) if embed_dim and project != "image" else nn.Identity()

    def forward(self, features: Features, batch: Batch) -> Embedding:  # noqa: ARG002
        """Project the sides that are there to (B, dim)."""
        image_BD = self._side(features, self.image, self.image_projection)
        text_BD = self._side(features, self.text, self.text_projection)
        return Embedding(image_BD, text_BD, self.weight)

    @staticmethod
    def _side(features: Features, name: str, projection: nn.Module) -> Tensor | None:
        return projection(features[name]) if name in features else None
