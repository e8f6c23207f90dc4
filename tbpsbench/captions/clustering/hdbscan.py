"""HDBSCAN (Campello, Moulavi and Sander 2013) through scikit-learn, on principal components."""

from __future__ import annotations

from typing import Any

import numpy as np

from tbpsbench.captions.clustering.base import Clusterer, Clusters, unit_rows
from tbpsbench.captions.clustering.collapsed import settled_or_fallback
from tbpsbench.captions.clustering.principal import principal_components
from tbpsbench.registry import CLUSTERERS


@CLUSTERERS.register()
class HDBSCAN(Clusterer):
    """Dense groups over all radii at once; noise goes to the nearest cluster.

    Args:
        min_cluster_size: fewest texts of a cluster; None for 2 % of the texts, 5 at least.
        min_samples: texts that make a place dense; None for `min_cluster_size`.
        dims: principal components that are looked at: in more, everything is equally far.
        fallback: a clusterer that takes over where the result is of no use (see settle.py); None refuses it.

    Raises:
        ValueError: if a number is too small.
    """

    def __init__(
        self,
        min_cluster_size: int | None = None,
        min_samples: int | None = None,
        dims: int = 32,
        fallback: dict[str, Any] | None = None,
    ) -> None:
        if (min_cluster_size or 2) < 2 or (min_samples or 1) < 1 or dims < 1:
            raise ValueError(f"min_cluster_size ({min_cluster_size}) must be 2 or more, min_samples and dims 1 or more")
        self.min_cluster_size, self.min_samples, self.dims = min_cluster_size, min_samples, dims
        self.fallback = fallback

    def cluster(self, embedding_ND: np.ndarray) -> Clusters:
        from sklearn import cluster

        row_ND = unit_rows(embedding_ND, least=2)
        size = self.min_cluster_size or max(5, len(row_ND) // 50)
        label_N = np.zeros(len(row_ND), dtype=np.int64)
        if size <= len(row_ND):
            part_NP = principal_components(row_ND, self.dims)
            model = cluster.HDBSCAN(
                min_cluster_size=size, min_samples=self.min_samples, copy=True, allow_single_cluster=False
            )
            label_N = model.fit(part_NP).labels_.astype(np.int64)
        chosen = {"min_cluster_size": size}
        advice = "Another min_cluster_size, masked captions, or fallback=dict(type='KMeans') may help."
        return settled_or_fallback("HDBSCAN", row_ND, label_N, size, chosen, self.fallback, advice)
