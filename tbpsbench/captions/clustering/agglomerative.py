"""Hierarchical clustering by Ward's rule (1963) through scikit-learn, on a sample where there are many texts."""

from __future__ import annotations

import numpy as np

from tbpsbench.captions.clustering.base import Clusterer, Clusters, centres, nearest_centre, partition, unit_rows
from tbpsbench.registry import CLUSTERERS


@CLUSTERERS.register()
class Agglomerative(Clusterer):
    """A given number of clusters, joined from single texts by least growth of variance.

    It needs all distances: 18 GB for 68,000 texts. Where there are more texts than `sample`, that many are drawn and
    clustered, and each other text goes to the cluster whose mean direction is nearest.

    Args:
        clusters: how many, 1 or more.
        sample: most texts that are clustered themselves; 8 * sample^2 / 2 bytes are needed (10,000: 0.4 GB).
        seed: of the sample.

    Raises:
        ValueError: if `clusters` is below 1 or `sample` below `clusters`.
    """

    def __init__(self, clusters: int = 8, sample: int = 10_000, seed: int = 0) -> None:
        if not 1 <= clusters <= sample or sample < 2:
            raise ValueError(f"clusters is {clusters}, expected from 1 to the size of the sample ({sample}, 2 or more)")
        self.clusters, self.sample, self.seed = clusters, sample, seed

    def cluster(self, embedding_ND: np.ndarray) -> Clusters:
        from sklearn.cluster import AgglomerativeClustering

        row_ND = unit_rows(embedding_ND, least=max(2, self.clusters))
        asked = np.arange(len(row_ND))
        if len(row_ND) > self.sample:
            asked = np.sort(np.random.default_rng(self.seed).choice(len(row_ND), self.sample, replace=False))
        found = AgglomerativeClustering(self.clusters, linkage="ward").fit(row_ND[asked]).labels_.astype(np.int64)
        if len(asked) == len(row_ND):
            return partition(row_ND, found)
        label_N = nearest_centre(row_ND, centres(row_ND[asked], found, self.clusters))
        label_N[asked] = found
        return partition(row_ND, label_N, {"sampled": self.sample})
