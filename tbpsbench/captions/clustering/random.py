"""Clusters drawn by lot: what is left of style clustering when nothing is known of style (BDAM, Table 4)."""

from __future__ import annotations

import numpy as np

from tbpsbench.captions.clustering.base import Clusterer, Clusters, partition, unit_rows
from tbpsbench.captions.clustering.density import distinct_rows
from tbpsbench.registry import CLUSTERERS


@CLUSTERERS.register()
class Random(Clusterer):
    """Every distinct text in a cluster drawn by lot; equal texts are in the same one.

    Args:
        clusters: how many, 1 or more.
        seed: of the lots.

    Raises:
        ValueError: if `clusters` is below 1.
    """

    def __init__(self, clusters: int = 8, seed: int = 0) -> None:
        if clusters < 1:
            raise ValueError(f"clusters is {clusters}, expected 1 or more")
        self.clusters, self.seed = clusters, seed

    def cluster(self, embedding_ND: np.ndarray) -> Clusters:
        row_ND = unit_rows(embedding_ND, least=self.clusters)
        distinct_MD, which_N, _ = distinct_rows(row_ND)
        lot_M = np.random.default_rng(self.seed).permutation(len(distinct_MD)) % self.clusters
        return partition(row_ND, lot_M[which_N])
