"""mAP: exact average precision over the whole gallery."""

from __future__ import annotations

import numpy as np

from tbpsbench.metrics.base import Metric
from tbpsbench.metrics.ranks import PositiveRanks, average_precision
from tbpsbench.registry import METRICS


@METRICS.register()
class MeanAP(Metric):
    """Exact AP, column "mAP": what IRRA, RDE and most papers of the field report."""

    name = "mAP"

    def per_query(self, ranks: PositiveRanks) -> dict[str, np.ndarray]:
        """AP of each query."""
        return {self.name: average_precision(ranks)}
