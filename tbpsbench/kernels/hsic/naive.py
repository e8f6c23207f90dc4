"""HSIC as it is defined: both kernel matrices and the centring matrix, O(N^2 D + N^3), in the dtype of the inputs.

Tests and benchmarks compare with it; nothing else calls it. It is differentiable, and exact in float64 alone: float32
products of uncentred features lose up to all digits to the mean.

Shapes: N rows, D and E widths of the two sets.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ..precision import at_least_float32
from .terms import Estimator, Kernel


def kernel_matrix(x_ND: Tensor, kernel: Kernel, sigma: float = 1.0) -> Tensor:
    """(N, N): x_i . x_j, or exp(-||x_i - x_j||^2 / (2 sigma^2))."""
    if kernel == "linear":
        return x_ND @ x_ND.T
    # From the differences, not from squares and products; there are none in half precision.
    x_ND = at_least_float32(x_ND)
    distance_NN = torch.cdist(x_ND, x_ND, compute_mode="donot_use_mm_for_euclid_dist")
    return (-distance_NN.square() / (2 * sigma**2)).exp()


def hsic(
    x_ND: Tensor, y_NE: Tensor, *, kernel: Kernel = "linear", sigma: float = 1.0, estimator: Estimator = "biased"
) -> Tensor:
    """The trace of BDAM, eq. 2 (Gretton et al. 2005), or eq. 5 of Song et al. (2012); a scalar.

    Args:
        x_ND, y_NE: (N, D) and (N, E); N >= 2, unbiased: N >= 4.
        kernel: of both sets.
        sigma: width of the RBF kernel, the same for both sets.
        estimator: "biased": tr(K H L H) / (N-1)^2 with H = I - 11^T/N; "unbiased": K and L without their diagonals,
            (tr(K L) + 1^T K 1 1^T L 1 / ((N-1)(N-2)) - 2/(N-2) 1^T K L 1) / (N (N-3)).
    """
    rows = len(x_ND)
    k_NN, l_NN = kernel_matrix(x_ND, kernel, sigma), kernel_matrix(y_NE, kernel, sigma)
    eye_NN = torch.eye(rows, dtype=k_NN.dtype, device=x_ND.device)
    if estimator == "biased":
        centring_NN = eye_NN - 1 / rows
        return torch.trace(k_NN @ centring_NN @ l_NN @ centring_NN) / (rows - 1) ** 2
    k_NN, l_NN = k_NN * (1 - eye_NN), l_NN * (1 - eye_NN)
    both_NN = k_NN @ l_NN
    sums = k_NN.sum() * l_NN.sum() / ((rows - 1) * (rows - 2))
    return (torch.trace(both_NN) + sums - 2 / (rows - 2) * both_NN.sum()) / (rows * (rows - 3))


def cka(
    x_ND: Tensor, y_NE: Tensor, *, kernel: Kernel = "linear", sigma: float = 1.0, estimator: Estimator = "biased"
) -> Tensor:
    """HSIC(x, y) / sqrt(HSIC(x, x) HSIC(y, y)) (Kornblith et al. 2019); a scalar."""
    across, own_x, own_y = (
        hsic(*pair, kernel=kernel, sigma=sigma, estimator=estimator)
        for pair in ((x_ND, y_NE), (x_ND, x_ND), (y_NE, y_NE))
    )
    return across / (own_x * own_y).sqrt()
