"""After density-based clustering: noise goes to the nearest cluster, small clusters are merged, a collapse is told.

BDAM, section 3.3: "we reassign noise points and merge small clusters"; sizes and rules are ours.

Shapes: N texts, D width, K clusters.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tbpsbench.captions.clustering.base import NONE, centres, nearest_centre

LARGEST_SHARE, NOISE_SHARE = 0.6, 0.5


def settle(row_ND: np.ndarray, label_N: np.ndarray, least: int) -> tuple[np.ndarray, dict[str, Any]]:
    """Every text in one of the clusters that have at least `least` texts of their own.

    Clusters below that size are dissolved; their texts and the noise go to the cluster whose mean direction is nearest.
    Means are those of what was dense: what joins a cluster does not move it.

    Args:
        row_ND: (N, D) unit rows.
        label_N: (N,) as a density-based clusterer gives them, `NONE` for noise.
        least: texts of a cluster that stays.

    Returns:
        labels without `NONE`, all 0 where no cluster stays; and what happened: clusters found, merged and kept, the
        share of noise, the share of the largest cluster, and `collapse`, the reason why this is of no use, or None.
    """
    found, size = np.unique(label_N[label_N != NONE], return_counts=True)
    kept = found[size >= least]
    dense_N = np.full(len(label_N), NONE, dtype=np.int64)
    for number, label in enumerate(kept):
        dense_N[label_N == label] = number
    settled_N = dense_N.copy()
    if len(kept):
        loose_N = dense_N == NONE
        settled_N[loose_N] = nearest_centre(row_ND[loose_N], centres(row_ND, dense_N, len(kept)))
    else:
        settled_N[:] = 0
    report: dict[str, Any] = {
        "clusters_found": len(found),
        "clusters_merged": len(found) - len(kept),
        "clusters": len(kept),
        "noise": float(np.mean(label_N == NONE)),
        "largest": float(np.bincount(settled_N).max() / len(settled_N)),
    }
    report["collapse"] = _collapse(report)
    return settled_N, report


def _collapse(report: dict[str, Any]) -> str | None:
    if report["clusters"] < 2:
        return f"{report['clusters'] or 'no'} cluster{'s' * (not report['clusters'])} of usable size"
    if report["noise"] > NOISE_SHARE:
        return f"{report['noise']:.0%} of the texts are noise, more than {NOISE_SHARE:.0%}"
    if report["largest"] > LARGEST_SHARE:
        return f"one cluster holds {report['largest']:.0%} of the texts, more than {LARGEST_SHARE:.0%}"
    return None
