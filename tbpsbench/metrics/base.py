"""What a metric promises: one value for every query, from the ranks of its positives alone.

Shapes: Q queries.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np

from tbpsbench.metrics.ranks import PositiveRanks


class Metric(ABC):
    """Base of the slot METRICS.

    Values are per query, so that intervals, breakdowns and paired tests work for every metric; the mean over queries,
    in percent, is the number in a table.

    Attributes:
        name: short name of the metric, e.g. "mAP".
    """

    name: str

    @abstractmethod
    def per_query(self, ranks: PositiveRanks) -> dict[str, np.ndarray]:
        """Column of a table -> (Q,) float64 in 0..1, without NaN; honours `ranks.ties_rule`."""
