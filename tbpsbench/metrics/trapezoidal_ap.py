"""mAP as SSAN and LGUR report it: the trapezoidal rule under the precision-recall curve.

Lower than the exact AP on the same ranking, hence a column of its own: numbers of the two must not be compared.
"""

from __future__ import annotations

import numpy as np

from tbpsbench.metrics.base import Metric
from tbpsbench.metrics.ranks import PositiveRanks, trapezoidal_ap
from tbpsbench.registry import METRICS


@METRICS.register()
class TrapezoidalAP(Metric):
    """Trapezoidal AP, column "mAP-trapezoidal"."""

    name = "mAP-trapezoidal"

    def per_query(self, ranks: PositiveRanks) -> dict[str, np.ndarray]:
        """Trapezoidal AP of each query."""
        return {self.name: trapezoidal_ap(ranks)}
