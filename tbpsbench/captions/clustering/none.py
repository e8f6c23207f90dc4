"""No styles at all: what style-clustered captions are compared with."""

from __future__ import annotations

import numpy as np

from tbpsbench.captions.clustering.base import NONE, Clusterer, Clusters, unit_rows
from tbpsbench.registry import CLUSTERERS


@CLUSTERERS.register("none")
class NoClusters(Clusterer):
    """Finds no cluster: every text stays without a style, and captions are asked for without a style prompt."""

    overlapping = True

    def cluster(self, embedding_ND: np.ndarray) -> Clusters:
        row_ND = unit_rows(embedding_ND)
        return Clusters(np.full(len(row_ND), NONE, dtype=np.int64), (), np.zeros((0, row_ND.shape[1]), np.float32))
