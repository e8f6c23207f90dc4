"""R@k: is a picture of the right person among the first k?"""

from __future__ import annotations

import numpy as np

from tbpsbench.metrics.base import Metric
from tbpsbench.metrics.ranks import PositiveRanks, recall_at
from tbpsbench.registry import METRICS

KS = (1, 5, 10)


@METRICS.register()
class RecallAtK(Metric):
    """R@k for several k; columns "R@1", "R@5", ...

    Args:
        ks: cut-offs, each >= 1.

    Raises:
        ValueError: if there is no cut-off or one is below 1.
    """

    def __init__(self, ks: tuple[int, ...] = KS) -> None:
        self.ks = tuple(ks)
        if not self.ks or min(self.ks) < 1:
            raise ValueError(f"ks must hold cut-offs of at least 1, got {self.ks}")
        self.name = "R@k"

    def per_query(self, ranks: PositiveRanks) -> dict[str, np.ndarray]:
        """1 where a positive is among the first k, else 0."""
        return {f"R@{k}": value_Q for k, value_Q in recall_at(ranks, self.ks).items()}
