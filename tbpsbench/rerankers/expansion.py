"""Average query expansion with weights (Radenovic et al. 2019, alpha-QE), over queries and gallery together.

Shapes: N = Q + G items, queries first; D width, K neighbours.
"""

from __future__ import annotations

import numpy as np

from tbpsbench.errors import DataError

BLOCK = 512


def expand_features(
    query_QD: np.ndarray, gallery_GD: np.ndarray, k: int, alpha: float = 3.0, times: int = 1
) -> tuple[np.ndarray, np.ndarray]:
    """Move each vector towards its neighbours: the sum of cosine^alpha x neighbour over the k nearest, divided by k.

    Args:
        query_QD, gallery_GD: features of any length; neither they nor the result are normalised.
        k: neighbours, each vector its own first; below N.
        alpha: power of the cosine; 0 takes the plain mean.
        times: rounds; each starts from the vectors of the one before.

    Returns:
        Queries and gallery, as they were given.

    Raises:
        DataError: if the widths disagree, k is out of range, or a negative cosine has no power alpha.
    """
    if query_QD.shape[1:] != gallery_GD.shape[1:]:
        raise DataError(f"query features are {query_QD.shape}, gallery features {gallery_GD.shape}: widths must agree")
    item_ND, queries = np.concatenate([query_QD, gallery_GD]), len(query_QD)
    if not 1 <= k < len(item_ND):
        raise DataError(f"k is {k}, expected 1 to {len(item_ND) - 1}, fewer than the queries and images together")
    for _ in range(times):
        item_ND = _round(item_ND, k, alpha)
    return item_ND[:queries], item_ND[queries:]


def _round(item_ND: np.ndarray, k: int, alpha: float) -> np.ndarray:
    unit_ND = item_ND / np.linalg.norm(item_ND, axis=1, keepdims=True)
    moved_ND = np.empty_like(item_ND)
    for start in range(0, len(item_ND), BLOCK):
        cosine_BN = unit_ND[start : start + BLOCK] @ unit_ND.T
        near_BK = np.argpartition(-cosine_BN, k - 1, axis=1)[:, :k]
        weight_BK = np.take_along_axis(cosine_BN, near_BK, axis=1)
        if alpha != int(alpha) and (weight_BK < 0).any():
            raise DataError(
                f"alpha is {alpha}: a negative cosine has no such power; take a whole number or a smaller k"
            )
        weight_BK **= np.asarray(alpha, weight_BK.dtype)
        moved_ND[start : start + BLOCK] = np.einsum("bk,bkd->bd", weight_BK, item_ND[near_BK]) / k
    return moved_ND
