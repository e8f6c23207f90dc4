"""Average query expansion as a re-ranker (Radenovic et al. 2019)."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from tbpsbench.errors import ConfigError
from tbpsbench.registry import RERANKERS
from tbpsbench.rerankers.base import Blocks, Reranker, Search
from tbpsbench.rerankers.expansion import expand_features


@RERANKERS.register()
class QueryExpansion(Reranker):
    """Queries and images move towards their nearest neighbours among both, then are compared again.

    Args:
        k: neighbours, each its own first; > 0.
        alpha: power of the cosine that weighs them; 0 takes the plain mean.
        times: rounds; > 0.

    Raises:
        ValueError: if a number is out of range.
    """

    transductive = True
    reads = ("vectors",)

    def __init__(self, k: int = 5, alpha: float = 3.0, times: int = 1) -> None:
        if k < 1 or times < 1 or alpha < 0:
            raise ValueError(f"k ({k}) and times ({times}) must be positive, alpha ({alpha}) not negative")
        self.k, self.alpha, self.times = k, alpha, times

    def rerank(self, search: Search) -> Blocks:
        """Cosines of the moved vectors."""
        if search.query_QD is None or search.gallery_GD is None:
            raise ConfigError(
                "evaluation.rerank: QueryExpansion needs one vector for each image and text; a head has none"
            )
        moved = expand_features(search.query_QD.numpy(), search.gallery_GD.numpy(), self.k, self.alpha, self.times)
        query_QD, gallery_GD = (torch.from_numpy(rows / np.linalg.norm(rows, axis=1, keepdims=True)) for rows in moved)

        def scores(start: int, stop: int) -> Tensor:
            return query_QD[start:stop] @ gallery_GD.T

        return scores
