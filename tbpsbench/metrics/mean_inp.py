"""mINP: how far down the last picture of the person is (Ye et al. 2021, AGW)."""

from __future__ import annotations

import numpy as np

from tbpsbench.metrics.base import Metric
from tbpsbench.metrics.ranks import PositiveRanks, inverse_negative_penalty
from tbpsbench.registry import METRICS


@METRICS.register()
class MeanINP(Metric):
    """INP, column "mINP": number of positives over the rank of the last one."""

    name = "mINP"

    def per_query(self, ranks: PositiveRanks) -> dict[str, np.ndarray]:
        """INP of each query."""
        return {self.name: inverse_negative_penalty(ranks)}
