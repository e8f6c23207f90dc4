"""HSIC, how much two sets of features depend on each other (Gretton et al. 2005; Song et al. 2012; BDAM, eq. 2).

    biased    1/(N-1)^2 tr(K H L H)                  H = I - 11^T/N, K and L the N x N kernel matrices of both sets
    unbiased  the estimator of Song et al., eq. 5    N >= 4; it can be negative

Nobody needs the N x N matrices of the linear kernel: tr(K H L H) = ||X_c^T Y_c||^2 with centred features. Features are
centred before any product: products of uncentred float32 features lose up to all digits to the mean.

Shapes: N rows, D and E widths of the two sets, C rows of one tile.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from tbpsbench.kernels.precision import at_least_float32

Kernel = Literal["linear", "rbf"]
Estimator = Literal["biased", "unbiased"]
Form = Literal["auto", "width", "rows", "tiles"]

MIN_ROWS = {"biased": 2, "unbiased": 4}
# Up to here an RBF matrix is kept; beyond, it is made again tile by tile (one tile: at most TILE values).
PLAIN_ROWS = 1024
TILE = 1 << 21
MEDIAN_ROWS = 512
# Above this, float32 sums over rows are too coarse for a mean.
LONG = 100_000


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
        x_ND, y_NE: (N, D) and (N, E); half precision is raised to float32.
        kernel: "linear", or "rbf": exp(-||x_i - x_j||^2 / (2 sigma^2)).
        sigma: width of the RBF kernel, > 0; "median": median distance of at most 512 rows, of each set for itself.
        estimator: "biased" (0 or more) or "unbiased" (around 0 for independent sets).
        form: "width" (X_c^T Y_c, linear alone), "rows" (both N x N matrices), "tiles" (the same, tile by tile, rbf
            alone); "auto" takes the cheapest.

    Returns:
        A scalar with first derivatives.

    Raises:
        ValueError: for fewer rows than the estimator needs, unequal numbers of rows, a sigma that is not positive, or
            a form that the kernel does not have.
    """
    rows = len(x_ND)
    if rows != len(y_NE):
        raise ValueError(f"HSIC needs rows in pairs, got {rows} and {len(y_NE)}")
    if rows < MIN_ROWS[estimator]:
        raise ValueError(f"the {estimator} estimator needs at least {MIN_ROWS[estimator]} rows, got {rows}")
    x_ND, y_NE = at_least_float32(x_ND), at_least_float32(y_NE)
    unbiased = estimator == "unbiased"
    if form == "auto":
        if kernel == "linear":
            form = "width" if width_is_cheaper(rows, x_ND.shape[1], y_NE.shape[1]) else "rows"
        else:
            form = "rows" if rows <= PLAIN_ROWS else "tiles"
    if form == ("tiles" if kernel == "linear" else "width"):
        raise ValueError(f"the {kernel} kernel has no form {form!r}")
    if form == "width":
        return linear_by_width(x_ND, y_NE, unbiased=unbiased)
    if kernel == "linear":
        x_ND, y_NE = x_ND - x_ND.mean(0), y_NE - y_NE.mean(0)
        return _of_matrices(x_ND @ x_ND.T, y_NE @ y_NE.T, unbiased, centred=not unbiased)
    x_ND, y_NE = x_ND - x_ND.detach().mean(0), y_NE - y_NE.detach().mean(0)
    gammas = _gamma(x_ND, sigma), _gamma(y_NE, sigma)
    if form == "tiles":
        return _RBFByTiles.apply(x_ND, y_NE, *gammas, unbiased)  # type: ignore[no-any-return]
    k_NN, l_NN = (
        _rbf_rows(z, z.square().sum(1), gamma, slice(0, rows)) for z, gamma in zip((x_ND, y_NE), gammas, strict=True)
    )
    return _of_matrices(k_NN, l_NN, unbiased, centred=False)


def width_is_cheaper(rows: int, width: int, other: int) -> bool:
    """Whether X_c^T Y_c costs less than both N x N matrices: N > D/2 for equal widths, as counted and as measured."""
    return rows * (width + other) >= width * other


def linear_by_width(
    x_ND: Tensor,
    y_NE: Tensor,
    *,
    unbiased: bool = False,
    reduce: Callable[[Tensor], Tensor] | None = None,
    processes: int = 1,
) -> Tensor:
    """HSIC with the linear kernel in O(N D E), also of rows that several processes hold.

    Args:
        x_ND, y_NE: (N, D) and (N, E), this process' rows, as many as every other process holds; float32 or float64.
        unbiased: which estimator.
        reduce: sums a tensor over all processes. Only column sums and (D, E) products travel, no features.
        processes: their number. Gradients are multiplied by it, as those of every loss of the joined batch are
            (distributed.py).
    """
    return _LinearByWidth.apply(x_ND, y_NE, unbiased, reduce or (lambda x: x), processes)  # type: ignore[no-any-return]


class _LinearByWidth(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, x_ND: Tensor, y_NE: Tensor, unbiased: bool, reduce: Callable[[Tensor], Tensor], processes: int
    ) -> Tensor:
        width, other = x_ND.shape[1], y_NE.shape[1]
        rows, exact = len(x_ND) * processes, torch.float64 if len(x_ND) > LONG else x_ND.dtype
        mean_S = reduce(torch.cat([x_ND.sum(0, dtype=exact), y_NE.sum(0, dtype=exact)])) / rows
        mean_S = mean_S.to(x_ND.dtype)
        x_ND, y_NE = x_ND - mean_S[:width], y_NE - mean_S[width:]
        parts = [(x_ND.T @ y_NE).flatten()]
        if unbiased:
            k_N, l_N = x_ND.square().sum(1), y_NE.square().sum(1)
            parts += [torch.stack([k_N @ l_N, k_N.sum(), l_N.sum()]), l_N @ x_ND, k_N @ y_NE]
        joined = reduce(torch.cat(parts))
        cross_DE, rest = joined[: width * other].view(width, other), joined[width * other :]
        # The squares of many numbers of one size: summed in float64, they cost no digits.
        value = cross_DE.double().square().sum()
        if unbiased:
            both, k_sum, l_sum = rest[:3].double()
            value = value - both * rows / (rows - 2) + k_sum * l_sum / ((rows - 1) * (rows - 2))
        value = value * _scale(rows, unbiased)
        ctx.save_for_backward(x_ND, y_NE, cross_DE, rest)
        ctx.rows, ctx.unbiased, ctx.processes = rows, unbiased, processes
        return value.to(x_ND.dtype)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        x_ND, y_NE, cross_DE, rest = ctx.saved_tensors
        rows, factor = ctx.rows, 2 * grads[0] * ctx.processes * _scale(ctx.rows, ctx.unbiased)
        cross_DE = factor * cross_DE
        grad_x = y_NE @ cross_DE.T if ctx.needs_input_grad[0] else None
        grad_y = x_ND @ cross_DE if ctx.needs_input_grad[1] else None
        if ctx.unbiased:
            pulled_x, pulled_y = rest[3 : 3 + x_ND.shape[1]], rest[3 + x_ND.shape[1] :]
            share, other = rows / (rows - 2), 1 / ((rows - 1) * (rows - 2))
            for grad, own_ND, partner_NE, total, pulled in (
                (grad_x, x_ND, y_NE, rest[2], pulled_x),
                (grad_y, y_NE, x_ND, rest[1], pulled_y),
            ):
                if grad is not None:
                    weight_N = other * total - share * partner_NE.square().sum(1)
                    # The diagonal's part does not sum to zero over the rows by itself; centring makes it.
                    grad += factor * (weight_N[:, None] * own_ND + share / rows * pulled)
        return grad_x, grad_y, None, None, None


def _scale(rows: int, unbiased: bool) -> float:
    return 1 / (rows * (rows - 3)) if unbiased else 1 / (rows - 1) ** 2


def _of_matrices(k_NN: Tensor, l_NN: Tensor, unbiased: bool, *, centred: bool) -> Tensor:
    """HSIC from two kernel matrices, both centred first unless they are."""
    rows = len(k_NN)
    if not centred:
        means = [_means(_without_diagonal(matrix, 0, unbiased).sum(1), unbiased) for matrix in (k_NN, l_NN)]
        k_NN, l_NN = _centred(k_NN, *means[0], 0, unbiased), _centred(l_NN, *means[1], 0, unbiased)
    return (k_NN * l_NN).sum() * _scale(rows, unbiased)


def _without_diagonal(tile_CN: Tensor, start: int, unbiased: bool) -> Tensor:
    """The unbiased estimator does without the diagonal; `start` is the tile's first row."""
    if not unbiased:
        return tile_CN
    return tile_CN.masked_fill(_diagonal(tile_CN, start), 0.0)


def _diagonal(tile_CN: Tensor, start: int) -> Tensor:
    count, rows = tile_CN.shape
    device = tile_CN.device
    return torch.arange(start, start + count, device=device)[:, None] == torch.arange(rows, device=device)


def _means(row_sum_N: Tensor, unbiased: bool) -> tuple[Tensor, Tensor]:
    """What centring takes off every row and column, and gives back everywhere."""
    rows = len(row_sum_N)
    if unbiased:
        return row_sum_N / (rows - 2), row_sum_N.sum() / ((rows - 1) * (rows - 2))
    return row_sum_N / rows, row_sum_N.sum() / rows**2


def _centred(tile_CN: Tensor, mean_N: Tensor, total: Tensor, start: int, unbiased: bool) -> Tensor:
    own_C1 = mean_N[start : start + len(tile_CN), None]
    return _without_diagonal(tile_CN - own_C1 - (mean_N - total), start, unbiased)


def _gamma(x_ND: Tensor, sigma: float | Literal["median"]) -> Tensor:
    """1 / (2 sigma^2), a constant for the gradient."""
    if sigma == "median":
        step = -(-len(x_ND) // MEDIAN_ROWS)
        width = torch.pdist(x_ND.detach()[::step].contiguous()).median()
        # Where half of the rows are equal there is no typical distance; any width will do.
        return 0.5 / torch.where(width > 0, width, torch.ones_like(width)).square()
    if not sigma > 0:
        raise ValueError(f"sigma is 'median' or a number above 0, got {sigma!r}")
    return torch.tensor(0.5 / float(sigma) ** 2, dtype=x_ND.dtype, device=x_ND.device)


def _rbf_rows(x_ND: Tensor, square_N: Tensor, gamma: Tensor, rows: slice) -> Tensor:
    """Some rows (C, N) of the RBF matrix; distances to oneself are exactly 0."""
    distance_CN = square_N[rows, None] + square_N - 2 * x_ND[rows] @ x_ND.T
    distance_CN = distance_CN.clamp(min=0).masked_fill(_diagonal(distance_CN, rows.start), 0.0)
    return (-gamma * distance_CN).exp()


class _RBFByTiles(torch.autograd.Function):
    """Two passes over tiles of both matrices, and a third for the gradient; nothing of size N x N is kept."""

    @staticmethod
    def forward(ctx: Any, x_ND: Tensor, y_NE: Tensor, gamma_x: Tensor, gamma_y: Tensor, unbiased: bool) -> Tensor:
        sides = [(z, z.square().sum(1), gamma) for z, gamma in ((x_ND, gamma_x), (y_NE, gamma_y))]
        means = []
        for side in sides:
            tiles = ((_rbf_rows(*side, rows), rows.start) for rows in _tiles(len(x_ND)))
            sums = [_without_diagonal(tile_CN, start, unbiased).sum(1) for tile_CN, start in tiles]
            means.append(_means(torch.cat(sums), unbiased))
        value = torch.zeros((), dtype=torch.float64, device=x_ND.device)
        for rows in _tiles(len(x_ND)):
            k_CN, l_CN = (
                _centred(_rbf_rows(*side, rows), *mean, rows.start, unbiased)
                for side, mean in zip(sides, means, strict=True)
            )
            value += k_CN.mul_(l_CN).sum()
        ctx.save_for_backward(x_ND, y_NE, gamma_x, gamma_y, *(part for mean in means for part in mean))
        ctx.unbiased = unbiased
        return (value * _scale(len(x_ND), unbiased)).to(x_ND.dtype)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        x_ND, y_NE, gamma_x, gamma_y, mean_x, total_x, mean_y, total_y = ctx.saved_tensors
        sides = [(z, z.square().sum(1), gamma) for z, gamma in ((x_ND, gamma_x), (y_NE, gamma_y))]
        means = ((mean_x, total_x), (mean_y, total_y))
        found = [torch.empty_like(x_ND), torch.empty_like(y_NE)]
        for rows in _tiles(len(x_ND)):
            plain = [_rbf_rows(*side, rows) for side in sides]
            centred = [_centred(p, *mean, rows.start, ctx.unbiased) for p, mean in zip(plain, means, strict=True)]
            # d value / d K is the other matrix, centred; K falls with the distance, and each pair counts twice.
            for this, other in ((0, 1), (1, 0)):
                z, _, gamma = sides[this]
                weight_CN = plain[this].mul_(centred[other])
                torch.mul(weight_CN.sum(1, keepdim=True), z[rows], out=found[this][rows])
                found[this][rows].sub_(weight_CN @ z).mul_(-4 * gamma)
        factor = grads[0] * _scale(len(x_ND), ctx.unbiased)
        return factor * found[0], factor * found[1], None, None, None


def _tiles(rows: int) -> list[slice]:
    height = max(1, TILE // rows)
    return [slice(start, min(rows, start + height)) for start in range(0, rows, height)]
