"""HSIC with the linear kernel in plain torch: the path of CPUs, and the fallback everywhere.

Nobody needs the N x N matrices of the linear kernel: tr(K H L H) = ||X_c^T Y_c||^2 with centred features. Features are
centred before any product: products of uncentred float32 features lose up to all digits to the mean. The unbiased
estimator follows from the same product and the squared lengths of the centred rows (see `value`).

Shapes: N rows, D and E widths of the two sets, S = D + E, C rows of one tile.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from ..differentiation import first_derivatives
from .terms import scale

# Above this, float32 sums over rows are too coarse for a mean.
LONG = 100_000

Reduce = Callable[[Tensor], Tensor]


class LinearByWidth(torch.autograd.Function):
    """||X_c^T Y_c||^2 in O(N D E), of rows that several processes may hold."""

    @staticmethod
    def forward(ctx: Any, x_ND: Tensor, y_NE: Tensor, unbiased: bool, reduce: Reduce, processes: int) -> Tensor:
        width, other, rows = x_ND.shape[1], y_NE.shape[1], len(x_ND) * processes
        mean_S = means(x_ND, y_NE, reduce, rows)
        x_ND, y_NE = x_ND - mean_S[:width], y_NE - mean_S[width:]
        joined = reduce(products(x_ND, y_NE, unbiased))
        cross_DE, rest = joined[: width * other].view(width, other), joined[width * other :]
        ctx.save_for_backward(x_ND, y_NE, cross_DE, rest)
        ctx.rows, ctx.unbiased, ctx.processes = rows, unbiased, processes
        return value(cross_DE, rest, rows, unbiased).to(x_ND.dtype)

    @staticmethod
    @first_derivatives
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        factor = 2 * grads[0] * ctx.processes * scale(ctx.rows, ctx.unbiased)
        x_ND, y_NE, cross_DE, rest = ctx.saved_tensors
        wanted = ctx.needs_input_grad[:2]
        found = gradients(x_ND, y_NE, cross_DE, rest, factor, ctx.rows, ctx.unbiased, wanted)
        return *found, None, None, None


def means(x_ND: Tensor, y_NE: Tensor, reduce: Reduce, rows: int) -> Tensor:
    """Column means of both sets, (S,), over the rows of all processes."""
    exact = torch.float64 if len(x_ND) > LONG else x_ND.dtype
    mean_S = reduce(torch.cat([x_ND.sum(0, dtype=exact), y_NE.sum(0, dtype=exact)])) / rows
    return mean_S.to(x_ND.dtype)


def products(x_ND: Tensor, y_NE: Tensor, unbiased: bool) -> Tensor:
    """X^T Y of centred features, and what the unbiased estimator needs besides; flat, sums over rows throughout.

    With k_i = ||x_i||^2 and l_i = ||y_i||^2 that is: sum k_i l_i, sum k_i, sum l_i, sum l_i x_i, sum k_i y_i.
    """
    parts = [(x_ND.T @ y_NE).flatten()]
    if unbiased:
        k_N, l_N = x_ND.square().sum(1), y_NE.square().sum(1)
        parts += [torch.stack([k_N @ l_N, k_N.sum(), l_N.sum()]), l_N @ x_ND, k_N @ y_NE]
    return torch.cat(parts)


def value(cross_DE: Tensor, rest: Tensor, rows: int, unbiased: bool) -> Tensor:
    """HSIC from `products`; a float64 scalar.

    A matrix without its diagonal has row sums -k_i where the rows of the whole one sum to 0. Put into eq. 5 of Song et
    al., with C = X_c^T Y_c: (||C||^2 - N/(N-2) sum k_i l_i + sum k_i sum l_i / ((N-1)(N-2))) / (N (N-3)).
    """
    # The squares of many numbers of one size: summed in float64, they cost no digits.
    found = cross_DE.double().square().sum()
    if unbiased:
        both, k_sum, l_sum = rest[:3].double()
        found = found - both * rows / (rows - 2) + k_sum * l_sum / ((rows - 1) * (rows - 2))
    return found * scale(rows, unbiased)


def gradients(
    x_ND: Tensor,
    y_NE: Tensor,
    cross_DE: Tensor,
    rest: Tensor,
    factor: Tensor,
    rows: int,
    unbiased: bool,
    wanted: tuple[bool, bool],
) -> tuple[Tensor | None, Tensor | None]:
    """Gradients of both centred sets; `factor` is 2 x upstream x scale."""
    cross_DE = factor * cross_DE
    grad_x = y_NE @ cross_DE.T if wanted[0] else None
    grad_y = x_ND @ cross_DE if wanted[1] else None
    if unbiased:
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
    return grad_x, grad_y


def linear_by_rows(x_ND: Tensor, y_NE: Tensor, *, unbiased: bool) -> Tensor:
    """From both N x N matrices, which is cheaper for few rows."""
    x_ND, y_NE = x_ND - x_ND.mean(0), y_NE - y_NE.mean(0)
    return of_matrices(x_ND @ x_ND.T, y_NE @ y_NE.T, unbiased, centred=not unbiased)


def of_matrices(k_NN: Tensor, l_NN: Tensor, unbiased: bool, *, centred: bool) -> Tensor:
    """HSIC from two kernel matrices, both centred first unless they are."""
    rows = len(k_NN)
    if not centred:
        k_NN, l_NN = centre(k_NN, unbiased), centre(l_NN, unbiased)
    return (k_NN * l_NN).sum() * scale(rows, unbiased)


def centre(matrix_NN: Tensor, unbiased: bool) -> Tensor:
    """A kernel matrix with rows and columns that sum to 0; the unbiased estimator's has an empty diagonal, too."""
    found = matrix_means(without_diagonal(matrix_NN, 0, unbiased).sum(1), unbiased)
    return centred_tile(matrix_NN, *found, 0, unbiased)


def without_diagonal(tile_CN: Tensor, start: int, unbiased: bool) -> Tensor:
    """The unbiased estimator does without the diagonal; `start` is the tile's first row."""
    if not unbiased:
        return tile_CN
    return tile_CN.masked_fill(diagonal(tile_CN, start), 0.0)


def diagonal(tile_CN: Tensor, start: int) -> Tensor:
    """Where a tile that begins at row `start` crosses the diagonal, (C, N)."""
    count, rows = tile_CN.shape
    device = tile_CN.device
    return torch.arange(start, start + count, device=device)[:, None] == torch.arange(rows, device=device)


def matrix_means(row_sum_N: Tensor, unbiased: bool) -> tuple[Tensor, Tensor]:
    """What centring takes off every row and column, and gives back everywhere."""
    rows = len(row_sum_N)
    if unbiased:
        return row_sum_N / (rows - 2), row_sum_N.sum() / ((rows - 1) * (rows - 2))
    return row_sum_N / rows, row_sum_N.sum() / rows**2


def centred_tile(tile_CN: Tensor, mean_N: Tensor, total: Tensor, start: int, unbiased: bool) -> Tensor:
    """Some rows of a centred matrix, from those of the matrix and `matrix_means`."""
    own_C1 = mean_N[start : start + len(tile_CN), None]
    return without_diagonal(tile_CN - own_C1 - (mean_N - total), start, unbiased)
