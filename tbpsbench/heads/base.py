"""What a head promises: what images and texts are compared by, and how.

Shapes: N images or texts, Q queries, G gallery, D width, T vectors of a set.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar, Literal

from torch import Tensor, nn
from torch.nn.functional import normalize

from tbpsbench.types import Batch, Embedding, Features
from tbpsbench.vectors import Vectors

Side = Literal["image", "text"]


class Head(nn.Module, ABC):
    """Base of the slot HEADS. The similarity of image and text is the weighted sum of the heads' scores.

    As it stands a head compares one vector a side by the cosine. Another rule is another `score`, and `cosine = False`;
    evaluation, search and re-ranking ask for blocks of it.

    Attributes:
        dim: width of the embedding, equal on both sides.
        weight: share of this head in the similarity.
        reads_padding: text roles that it reads to the end, padding included; the model does not cut them.
        cosine: whether the score is the dot product of what `compared` returns, (N, D) each: the fast path, which ranks
            and indexes by matrix products alone.

    Context arguments: `dims`, a dict from feature name to width.
    """

    dim: int
    weight: float = 1.0
    reads_padding: tuple[str, ...] = ()
    cosine: ClassVar[bool] = True

    @abstractmethod
    def forward(self, features: Features, batch: Batch) -> Embedding:
        """Embed whichever sides are there: a gallery batch has no query text, a query batch no image."""

    def compared(self, embedding: Embedding, side: Side) -> Vectors:
        """One side as it is compared and stored: L2-normalised float32, with its mask."""
        values = getattr(embedding, side)
        return Vectors(normalize(values.float(), dim=-1), getattr(embedding, f"{side}_mask"))

    def score(self, text: Vectors, image: Vectors) -> Tensor:
        """(Q, G) float32 similarities, larger is better; without gradients, of any number of rows."""
        return text.values @ image.values.T

    def first_stage(self, vectors: Vectors, side: Side) -> Tensor | None:  # noqa: ARG002
        """(N, D) vectors by whose dot product candidates can be found before `score` is asked; None if none serve."""
        return vectors.values if self.cosine else None
