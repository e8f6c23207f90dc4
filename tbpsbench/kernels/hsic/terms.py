"""Words and constants of HSIC that all its forms share."""

from __future__ import annotations

from typing import Literal

from torch import Tensor

Kernel = Literal["linear", "rbf"]
Estimator = Literal["biased", "unbiased"]
Form = Literal["auto", "width", "rows", "tiles"]

KERNELS = ("linear", "rbf")
FORMS = ("auto", "width", "rows", "tiles")
MIN_ROWS = {"biased": 2, "unbiased": 4}


def scale(rows: int, unbiased: bool) -> float:
    """What the sum over the products of both centred kernel matrices is multiplied by."""
    return 1 / (rows * (rows - 3)) if unbiased else 1 / (rows - 1) ** 2


def width_is_cheaper(rows: int, width: int, other: int) -> bool:
    """Whether X_c^T Y_c costs less than both N x N matrices: N > D/2 for equal widths, as counted and as measured."""
    return rows * (width + other) >= width * other


def sizes_of(x_ND: Tensor, y_NE: Tensor) -> tuple[int, int, int, int, int]:
    """N, D, E and how far rows are apart."""
    rows, width = x_ND.shape
    return rows, width, y_NE.shape[1], x_ND.stride(0), y_NE.stride(0)
