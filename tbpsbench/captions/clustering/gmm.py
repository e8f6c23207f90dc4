"""A mixture of Gaussians through scikit-learn, on principal components."""

from __future__ import annotations

import numpy as np

from tbpsbench.captions.clustering.base import Clusterer, Clusters, partition, unit_rows
from tbpsbench.captions.clustering.principal import principal_components
from tbpsbench.registry import CLUSTERERS


@CLUSTERERS.register()
class GMM(Clusterer):
    """A given number of Gaussians with axes of their own width; each text goes to the likeliest.

    Args:
        clusters: how many, 1 or more.
        seed: of the starting points.
        dims: principal components that are looked at; whole covariances of 512 dimensions cannot be told from a few
            thousand texts.

    Raises:
        ValueError: if a number is below 1.
    """

    def __init__(self, clusters: int = 8, seed: int = 0, dims: int = 32) -> None:
        if clusters < 1 or dims < 1:
            raise ValueError(f"clusters ({clusters}) and dims ({dims}) must be 1 or more")
        self.clusters, self.seed, self.dims = clusters, seed, dims

    def cluster(self, embedding_ND: np.ndarray) -> Clusters:
        from sklearn.mixture import GaussianMixture

        row_ND = unit_rows(embedding_ND, least=max(2, self.clusters))
        part_NP = principal_components(row_ND, self.dims)
        model = GaussianMixture(self.clusters, covariance_type="diag", random_state=self.seed).fit(part_NP)
        return partition(row_ND, model.predict(part_NP), {"converged": bool(model.converged_)})
