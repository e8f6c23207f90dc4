"""HSIC with the RBF kernel in plain torch: from both matrices where they are small, else from tiles made three times.

Shapes: N rows, D and E widths of the two sets, C rows of one tile.
"""

from __future__ import annotations

from typing import Any, Literal

import torch
from torch import Tensor

from ..differentiation import first_derivatives
from .terms import scale
from .torch import centred_tile, diagonal, matrix_means, of_matrices, without_diagonal

# Up to here an RBF matrix is kept; beyond, it is made again tile by tile (one tile: at most TILE values).
PLAIN_ROWS = 1024
TILE = 1 << 21
MEDIAN_ROWS = 512


def gamma(x_ND: Tensor, sigma: float | Literal["median"]) -> Tensor:
    """1 / (2 sigma^2), a constant for the gradient."""
    if sigma == "median":
        step = -(-len(x_ND) // MEDIAN_ROWS)
        width = torch.pdist(x_ND.detach()[::step].contiguous()).median()
        # Where half of the rows are equal there is no typical distance; any width will do.
        return 0.5 / torch.where(width > 0, width, torch.ones_like(width)).square()
    return torch.tensor(0.5 / float(sigma) ** 2, dtype=x_ND.dtype, device=x_ND.device)


def rbf_by_rows(x_ND: Tensor, y_NE: Tensor, gamma_x: Tensor, gamma_y: Tensor, unbiased: bool) -> Tensor:
    """From both N x N matrices; features centred already."""
    k_NN, l_NN = (
        _rbf_rows(z, z.square().sum(1), found, slice(0, len(z))) for z, found in ((x_ND, gamma_x), (y_NE, gamma_y))
    )
    return of_matrices(k_NN, l_NN, unbiased, centred=False)


def _rbf_rows(x_ND: Tensor, square_N: Tensor, gamma: Tensor, rows: slice) -> Tensor:
    """Some rows (C, N) of the RBF matrix; distances to oneself are exactly 0."""
    distance_CN = square_N[rows, None] + square_N - 2 * x_ND[rows] @ x_ND.T
    distance_CN = distance_CN.clamp(min=0).masked_fill(diagonal(distance_CN, rows.start), 0.0)
    return (-gamma * distance_CN).exp()


class RBFByTiles(torch.autograd.Function):
    """Two passes over tiles of both matrices, and a third for the gradient; nothing of size N x N is kept."""

    @staticmethod
    def forward(ctx: Any, x_ND: Tensor, y_NE: Tensor, gamma_x: Tensor, gamma_y: Tensor, unbiased: bool) -> Tensor:
        value, mean_x, total_x, mean_y, total_y = tiles_forward(x_ND, y_NE, gamma_x, gamma_y, unbiased)
        ctx.save_for_backward(x_ND, y_NE, gamma_x, gamma_y, mean_x, total_x, mean_y, total_y)
        ctx.unbiased = unbiased
        return value

    @staticmethod
    @first_derivatives
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        return *tiles_backward(grads[0], ctx.saved_tensors, ctx.unbiased), None, None, None


def tiles_forward(x_ND: Tensor, y_NE: Tensor, gamma_x: Tensor, gamma_y: Tensor, unbiased: bool) -> tuple[Tensor, ...]:
    """HSIC, and the means of both matrices: of rows (N,) and of all, twice."""
    sides = [(z, z.square().sum(1), gamma) for z, gamma in ((x_ND, gamma_x), (y_NE, gamma_y))]
    means = []
    for side in sides:
        tiles = ((_rbf_rows(*side, rows), rows.start) for rows in _tiles(len(x_ND)))
        sums = [without_diagonal(tile_CN, start, unbiased).sum(1) for tile_CN, start in tiles]
        means.append(matrix_means(torch.cat(sums), unbiased))
    value = torch.zeros((), dtype=torch.float64, device=x_ND.device)
    for rows in _tiles(len(x_ND)):
        k_CN, l_CN = (
            centred_tile(_rbf_rows(*side, rows), *mean, rows.start, unbiased)
            for side, mean in zip(sides, means, strict=True)
        )
        value += k_CN.mul_(l_CN).sum()
    return (value * scale(len(x_ND), unbiased)).to(x_ND.dtype), *(part for mean in means for part in mean)


def tiles_backward(grad: Tensor, saved: tuple[Tensor, ...], unbiased: bool) -> tuple[Tensor, Tensor]:
    """Gradients of both sets from what `tiles_forward` was given and returned."""
    x_ND, y_NE, gamma_x, gamma_y, mean_x, total_x, mean_y, total_y = saved
    sides = [(z, z.square().sum(1), gamma) for z, gamma in ((x_ND, gamma_x), (y_NE, gamma_y))]
    means = ((mean_x, total_x), (mean_y, total_y))
    found = [torch.empty_like(x_ND), torch.empty_like(y_NE)]
    for rows in _tiles(len(x_ND)):
        plain = [_rbf_rows(*side, rows) for side in sides]
        centred = [centred_tile(p, *mean, rows.start, unbiased) for p, mean in zip(plain, means, strict=True)]
        # d value / d K is the other matrix, centred; K falls with the distance, and each pair counts twice.
        for this, other in ((0, 1), (1, 0)):
            z, _, gamma = sides[this]
            weight_CN = plain[this].mul_(centred[other])
            torch.mul(weight_CN.sum(1, keepdim=True), z[rows], out=found[this][rows])
            found[this][rows].sub_(weight_CN @ z).mul_(-4 * gamma)
    factor = grad * scale(len(x_ND), unbiased)
    return factor * found[0], factor * found[1]


def _tiles(rows: int) -> list[slice]:
    height = max(1, TILE // rows)
    return [slice(start, min(rows, start + height)) for start in range(0, rows, height)]
