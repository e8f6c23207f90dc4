"""What a re-ranker promises: new scores for queries that were searched for already.

Shapes: Q queries, G gallery, B queries of a block, S captions of a bank, D width.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
from torch import Tensor

from tbpsbench.types import Features

Blocks = Callable[[int, int], Tensor]


@dataclass(frozen=True)
class Search:
    """A search whose results are to be ordered anew.

    Attributes:
        queries, images: Q and G.
        scores: (start, stop) -> (B, G) float32 similarities of these queries so far; larger is better.
        query_QD, gallery_GD: one float32 vector each, by whose dot product candidates can be found; None where the
            system's heads have none.
        bank: count -> (S, G) similarities of that many training captions (all where there are fewer) with the gallery.
        text_features, image_features: rows -> the model's features of these queries or images, without gradients.
        model: the system's, in evaluation mode.
    """

    queries: int
    images: int
    scores: Blocks
    query_QD: Tensor | None
    gallery_GD: Tensor | None
    bank: Callable[[int], Tensor]
    text_features: Callable[[np.ndarray], Features]
    image_features: Callable[[np.ndarray], Features]
    model: Any


class Reranker(ABC):
    """Base of the slot RERANKERS.

    Attributes:
        transductive: whether the scores of a query depend on other queries of the test, or on how the images of the
            gallery lie to each other; a result then says so.
        asks: type of the loss that it asks, whose name is the argument `loss`; None: it asks none. The static check
            looks for it among the model's losses.
        reads: what of a search orders the images: "scores" (those so far), "vectors" (`query_QD`, `gallery_GD`) or
            "bank"; the scores alone by default. Without "scores" the work of a re-ranker before it would be lost, and a
            bank holds similarities as the system compares them: such a re-ranker can only come first.
        pairs: pairs of a query and an image that a cross-encoder looked at.
    """

    asks: ClassVar[str | None] = None
    reads: ClassVar[tuple[Literal["scores", "vectors", "bank"], ...]] = ("scores",)
    transductive: bool = False
    pairs: int = 0

    @abstractmethod
    def rerank(self, search: Search) -> Blocks:
        """New scores, in the form of `search.scores`; what must be known of all queries is found out first.

        Raises:
            ConfigError: if the system has not what the re-ranker needs; names it.
        """
