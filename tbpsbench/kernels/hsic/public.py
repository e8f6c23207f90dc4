"""The functions to call for HSIC and CKA; everything that concerns forms and back ends is behind them.

Shapes: N rows, D and E widths of the two sets.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from ..precision import at_least_float32, in_own_precision
from .linear import linear, linear_form
from .rbf import rbf
from .terms import FORMS, KERNELS, MIN_ROWS, Estimator, Form, Kernel

# A feature that varies less than this, relative to its size, is the same in all rows but for rounding.
COLLAPSED = 1e-6


@in_own_precision
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
            adds up in float32. Of two types, both take the wider one.
        kernel: "linear", or "rbf": exp(-||x_i - x_j||^2 / (2 sigma^2)).
        sigma: width of the RBF kernel, > 0; "median": median distance of at most 512 rows, of each set for itself.
        estimator: "biased" (0 or more) or "unbiased" (around 0 for independent sets).
        form: "width" (X_c^T Y_c, linear alone), "rows" (both N x N matrices), "tiles" (the same, tile by tile, rbf
            alone); "auto" takes the cheapest.

    Returns:
        A scalar with first derivatives, float32 or float64.

    Raises:
        ValueError: for fewer rows than the estimator needs, unequal numbers of rows, a sigma that is not positive, an
            unknown word, or a form that the kernel does not have.
    """
    for name, word, words in (("kernel", kernel, KERNELS), ("estimator", estimator, MIN_ROWS), ("form", form, FORMS)):
        if word not in words:
            raise ValueError(f"{name} is one of {', '.join(words)}, got {word!r}")
    if sigma != "median" and (isinstance(sigma, str) or not sigma > 0):
        raise ValueError(f"sigma is 'median' or a number above 0, got {sigma!r}")
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


@in_own_precision
def cka(
    x_ND: Tensor,
    y_NE: Tensor,
    *,
    kernel: Kernel = "linear",
    sigma: float | Literal["median"] = "median",
    estimator: Estimator = "biased",
    form: Form = "auto",
) -> Tensor:
    """Centred kernel alignment, HSIC(x, y) / sqrt(HSIC(x, x) HSIC(y, y)) (Kornblith et al. 2019, eq. 3).

    Arguments and errors as in `hsic`. It does not change when a set is moved, scaled or rotated (RBF kernel: scaled
    with the width "median"), and is 1 where one set is such an image of the other. A set whose rows are all equal
    depends on nothing: 0, without a gradient.

    Args:
        estimator: "biased": 0 to 1 but for rounding, above 0 for independent sets, too, the more so the fewer rows
            there are; "unbiased": around 0 for independent sets, at most about 1, and NaN where the HSIC of a set with
            itself is not above 0 (few rows).

    Returns:
        A scalar with first derivatives, float32 or float64.
    """
    across, own_x, own_y = (
        hsic(*pair, kernel=kernel, sigma=sigma, estimator=estimator, form=form)
        for pair in ((x_ND, y_NE), (x_ND, x_ND), (y_NE, y_NE))
    )
    still, one = collapsed(x_ND) | collapsed(y_NE), torch.ones_like(across)
    # Roots first: the product of both leaves float32 where neither does.
    size = torch.where(still, one, own_x).sqrt() * torch.where(still, one, own_y).sqrt()
    return torch.where(still, torch.zeros_like(across), across / size)


def collapsed(x_ND: Tensor) -> Tensor:
    """Whether all rows are equal but for rounding, bool ()."""
    x_ND = at_least_float32(x_ND.detach())
    return (x_ND - x_ND.mean(0)).abs().amax() <= COLLAPSED * x_ND.abs().amax()
