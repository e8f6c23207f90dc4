"""What a head promises: the vectors that images and texts are compared by."""

from __future__ import annotations

from abc import ABC, abstractmethod

from torch import nn

from tbpsbench.types import Batch, Embedding, Features


class Head(nn.Module, ABC):
    """Base of the slot HEADS. The similarity of an image and a text is the weighted sum of the heads' cosines.

    Attributes:
        dim: width of the embedding, equal on both sides.
        weight: share of this head in the similarity.
        reads_padding: text roles that it reads to the end, padding included; the model does not cut them.

    Context arguments: `dims`, a dict from feature name to width.
    """

    dim: int
    weight: float = 1.0
    reads_padding: tuple[str, ...] = ()

    @abstractmethod
    def forward(self, features: Features, batch: Batch) -> Embedding:
        """Embed whichever sides are there: a gallery batch has no query text, a query batch no image."""
