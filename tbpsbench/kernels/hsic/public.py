"""The functions to call for HSIC and CKA; everything that concerns forms and back ends is behind them.

Shapes: N rows, D and E widths of the two sets.
"""

from __future__ import annotations

from typing import Literal

from torch import Tensor

from .linear import linear, linear_form
from .rbf import rbf
from .terms import MIN_ROWS, Estimator, Form, Kernel


def hsic(
    x_ND: Tensor,
    y_NE: Tensor,
    *,
    kernel: Kernel = "linear",
    sigma: float | Literal["median"] = "median",
    estimator: Estimator = "biased",
    form: Form = "auto",
) -> Tensor:
    """HSIC of two sets of features, row i of one belonging to row i of the other.

    Args:
        x_ND, y_NE: (N, D) and (N, E); plain torch raises half precision to float32, Triton multiplies it as it is and
            adds up in float32.
        kernel: "linear", or "rbf": exp(-||x_i - x_j||^2 / (2 sigma^2)).
        sigma: width of the RBF kernel, > 0; "median": median distance of at most 512 rows, of each set for itself.
        estimator: "biased" (0 or more) or "unbiased" (around 0 for independent sets).
        form: "width" (X_c^T Y_c, linear alone), "rows" (both N x N matrices), "tiles" (the same, tile by tile, rbf
            alone); "auto" takes the cheapest.

    Returns:
        A scalar with first derivatives, float32 or float64.

    Raises:
        ValueError: for fewer rows than the estimator needs, unequal numbers of rows, a sigma that is not positive, or
            a form that the kernel does not have.
    """
    rows = len(x_ND)
    if rows != len(y_NE):
        raise ValueError(f"HSIC needs rows in pairs, got {rows} and {len(y_NE)}")
    if rows < MIN_ROWS[estimator]:
        raise ValueError(f"the {estimator} estimator needs at least {MIN_ROWS[estimator]} rows, got {rows}")
    if form == ("tiles" if kernel == "linear" else "width"):
        raise ValueError(f"the {kernel} kernel has no form {form!r}")
    unbiased = estimator == "unbiased"
    if kernel == "linear":
        found = linear_form(x_ND, y_NE, unbiased) if form == "auto" else form
        return linear(x_ND, y_NE, unbiased, found)  # type: ignore[arg-type]
    return rbf(x_ND, y_NE, sigma, unbiased, form)  # type: ignore[arg-type]
