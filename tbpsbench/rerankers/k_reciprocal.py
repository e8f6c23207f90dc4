"""k-reciprocal encoding as a re-ranker (Zhong et al. 2017)."""

from __future__ import annotations

import torch

from tbpsbench.errors import ConfigError
from tbpsbench.registry import RERANKERS
from tbpsbench.rerankers.base import Blocks, Reranker, Search
from tbpsbench.rerankers.distances import euclidean_distances
from tbpsbench.rerankers.reciprocal import reach, reciprocal_distances


@RERANKERS.register()
class KReciprocal(Reranker):
    """Images whose neighbourhood overlaps with that of the query come first.

    Queries are neighbours of each other and of the images, so they shape each other's results. Between texts and images
    there is a gap (texts are nearer to texts), for which the method was not made.

    Args:
        k1: size of a neighbourhood.
        k2: neighbours over which an encoding is averaged; 1 leaves it as it is.
        weight: share of the original distance (the paper's lambda), 0..1.

    Raises:
        ValueError: if a size is not positive or the weight is outside 0..1.
    """

    transductive = True
    reads = ("vectors",)

    def __init__(self, k1: int = 20, k2: int = 6, weight: float = 0.3) -> None:
        if k1 < 1 or k2 < 1 or not 0 <= weight <= 1:
            raise ValueError(f"k1 ({k1}) and k2 ({k2}) must be positive, weight ({weight}) in 0..1")
        self.k1, self.k2, self.weight = k1, k2, weight

    def rerank(self, search: Search) -> Blocks:
        """Negative distances after re-ranking."""
        if search.query_QD is None or search.gallery_GD is None:
            raise ConfigError(
                "evaluation.rerank: KReciprocal needs one vector for each image and text; a head has none"
            )
        count = reach(self.k1, self.k2)
        found = euclidean_distances(search.query_QD.numpy(), search.gallery_GD.numpy(), count)
        score_QG = torch.from_numpy(reciprocal_distances(found, self.k1, self.k2, self.weight)).neg_()
        return lambda start, stop: score_QG[start:stop]
