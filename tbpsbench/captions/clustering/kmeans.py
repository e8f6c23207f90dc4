"""k-means (Lloyd 1982; k-means++, Arthur and Vassilvitskii 2007) through scikit-learn."""

from __future__ import annotations

import numpy as np

from tbpsbench.captions.clustering.base import Clusterer, Clusters, partition, unit_rows
from tbpsbench.registry import CLUSTERERS


@CLUSTERERS.register()
class KMeans(Clusterer):
    """A given number of clusters around means.

    Args:
        clusters: how many, 1 or more; HAM: 1000 for a million captions.
        seed: of the starting points.
        restarts: how often it starts; the tightest result is kept.

    Raises:
        ValueError: if a number is below 1.
    """

    def __init__(self, clusters: int = 8, seed: int = 0, restarts: int = 4) -> None:
        if clusters < 1 or restarts < 1:
            raise ValueError(f"clusters ({clusters}) and restarts ({restarts}) must be 1 or more")
        self.clusters, self.seed, self.restarts = clusters, seed, restarts

    def cluster(self, embedding_ND: np.ndarray) -> Clusters:
        from sklearn.cluster import KMeans as Implementation

        row_ND = unit_rows(embedding_ND, least=self.clusters)
        model = Implementation(self.clusters, n_init=self.restarts, random_state=self.seed).fit(row_ND)
        return partition(row_ND, model.labels_, {"inertia": float(model.inertia_)})
