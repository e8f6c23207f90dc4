"""DBSCAN (Ester et al. 1996), the BDAM paper's choice, with a radius sought on the k-distance curve.

The paper says that it needs no tuning; HAM finds it the worst. Between noise and one single cluster there is a factor
of two in the radius, hence the search and the guard against a collapse. The curve's knee, the textbook's choice, lies
too far out for captions: nearly all end in one cluster.

Where a few texts recur, as masked captions do, the nearest *distinct* texts may all be of other styles, and every
radius of that curve is too wide. Then narrower ones are tried, down to where repeats alone make a text dense.

Shapes: N texts, M distinct ones, D width.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tbpsbench.captions.clustering.base import Clusterer, Clusters, unit_rows
from tbpsbench.captions.clustering.collapsed import settled_or_fallback
from tbpsbench.captions.clustering.density import dbscan, distinct_rows, k_distances
from tbpsbench.captions.clustering.settle import NOISE_SHARE, settle
from tbpsbench.registry import CLUSTERERS

QUANTILES = (0.1, 0.2, 0.3, 0.4, 0.55, 0.7, 0.85)
STEPS, LEAST = 7, 1e-6  # of the narrower radii, and the narrowest of all


@CLUSTERERS.register()
class DBSCAN(Clusterer):
    """Dense groups at one radius; noise goes to the nearest cluster, small clusters are merged into others.

    Args:
        eps: radius as the Euclidean distance of unit vectors, 0..2. None tries quantiles of the distance to the
            `min_samples`-th nearest distinct text, and takes the one that makes the most clusters without a collapse;
            if all collapse and texts recur, the widest of some narrower ones that does not.
        min_samples: texts within the radius, itself included, that make a text dense.
        min_size: fewest texts of a cluster that stays; None for 1 % of the texts, `min_samples` at least.
        fallback: a clusterer that takes over where the result is of no use: fewer than two clusters, one above 60 %, or
            noise above 50 %; None refuses it.

    Raises:
        ValueError: if a number is out of range.
    """

    def __init__(
        self,
        eps: float | None = None,
        min_samples: int = 10,
        min_size: int | None = None,
        fallback: dict[str, Any] | None = None,
    ) -> None:
        if eps is not None and not 0 < eps <= 2:
            raise ValueError(f"eps is {eps}, expected above 0 and at most 2: unit vectors are no farther apart")
        if min_samples < 1 or (min_size or 1) < 1:
            raise ValueError(f"min_samples ({min_samples}) and min_size ({min_size}) must be 1 or more")
        self.eps, self.min_samples, self.min_size, self.fallback = eps, min_samples, min_size, fallback

    def cluster(self, embedding_ND: np.ndarray) -> Clusters:
        row_ND = unit_rows(embedding_ND, least=2)
        distinct_MD, which_N, weight_M = distinct_rows(row_ND)
        least = self.min_size or max(self.min_samples, len(row_ND) // 100)
        radii = [self.eps] if self.eps is not None else self._radii(distinct_MD)
        tried: list[dict[str, Any]] = []
        best: tuple[tuple[bool, int, float], float, np.ndarray] | None = None

        def attempt(eps: float) -> None:
            nonlocal best
            label_N = dbscan(distinct_MD, weight_M, eps, self.min_samples)[which_N]
            report = settle(row_ND, label_N, least)[1]
            tried.append({"eps": eps, **report})
            rank = (report["collapse"] is None, report["clusters"], eps)
            if best is None or rank > best[0]:
                best = rank, eps, label_N

        for eps in radii:
            attempt(eps)
        if self.eps is None and all(one["collapse"] for one in tried) and tried[0]["noise"] <= NOISE_SHARE:
            for eps in self._narrower(radii[0], distinct_MD, weight_M):
                attempt(eps)
                if tried[-1]["collapse"] is None:
                    break
        assert best is not None
        chosen: dict[str, Any] = {"eps": best[1], "min_samples": self.min_samples, "min_size": least}
        if self.eps is None:
            chosen["tried"] = tried
        found = "; ".join(f"{one['eps']:.3g}: {one['collapse'] or 'of use'}" for one in tried)
        advice = f"By radius: {found}. " * (len(tried) > 1) + "A larger eps makes less noise, a smaller one smaller "
        advice += "clusters. Masked captions or fallback=dict(type='KMeans') may help, too."
        return settled_or_fallback("DBSCAN", row_ND, best[2], least, chosen, self.fallback, advice)

    def _radii(self, distinct_MD: np.ndarray, weight_M: np.ndarray | None = None) -> list[float]:
        """Quantiles of the k-distance curve, ascending; at least one that is above 0."""
        curve_S = k_distances(distinct_MD, self.min_samples, weight_M=weight_M)
        return sorted({max(float(radius), LEAST) for radius in np.quantile(curve_S, QUANTILES)})

    def _narrower(self, eps: float, distinct_MD: np.ndarray, weight_M: np.ndarray) -> list[float]:
        """Radii below the narrowest of distinct texts, descending to that of all texts; none where no text recurs."""
        least = self._radii(distinct_MD, weight_M)[0]
        return np.linspace(eps, least, STEPS + 1)[1:].tolist() if least < eps else []
