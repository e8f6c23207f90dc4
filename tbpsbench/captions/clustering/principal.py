"""Principal components: density-based and Gaussian clusterers need few dimensions.

Shapes: N texts, D width, P components.
"""

from __future__ import annotations

import numpy as np


def principal_components(row_ND: np.ndarray, count: int) -> np.ndarray:
    """Rows in the `count` directions of largest variance, (N, min(count, D)) float64.

    From the covariance, whose D x D numbers are few; the sign of a direction is such that its largest entry is
    positive, so that the result does not depend on the machine's linear algebra.
    """
    mean_D = row_ND.mean(axis=0, dtype=np.float64)
    covariance_DD = np.zeros((row_ND.shape[1],) * 2)
    for start in range(0, len(row_ND), 4096):
        centred_BD = row_ND[start : start + 4096] - mean_D
        covariance_DD += centred_BD.T @ centred_BD
    direction_DP = np.linalg.eigh(covariance_DD)[1][:, ::-1][:, :count]
    largest_P = np.abs(direction_DP).argmax(axis=0)
    direction_DP = direction_DP * np.where(direction_DP[largest_P, np.arange(direction_DP.shape[1])] < 0, -1.0, 1.0)
    projected: np.ndarray = row_ND @ direction_DP - mean_D @ direction_DP
    return projected
