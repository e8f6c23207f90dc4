"""Launches of the RBF kernel's Triton forms.

Shapes: N rows, D and E widths of the two sets, C rows of a chunk.
"""

from __future__ import annotations

import torch
import triton
from torch import Tensor

from ..launching import Tile, on_device_of, product_of
from ..triton_centring import centre
from .terms import scale
from .torch import matrix_means
from .triton_rbf import product_kernel, row_sum_kernel, weight_kernel

# Values of one weight matrix that exist at once.
CHUNK = 1 << 23


def rbf_tile(dtype: torch.dtype, rows: int) -> Tile:
    """Of all three kernels: rows, columns, columns of the features in one step."""
    if dtype == torch.bfloat16:
        return Tile(64, 64, 64, 4, 3) if rows <= 4096 else Tile(128, 64, 64, 8, 3)
    return Tile(64, 64, 32, 8, 3)


def forward(
    x_ND: Tensor, y_NE: Tensor, gammas: Tensor, unbiased: bool, tile: Tile | None = None
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """HSIC by streaming over tiles twice.

    Args:
        gammas: (2,) float32, 1 / (2 sigma^2) of both sets.

    Returns:
        The value; what centring takes off the rows of both matrices (2, N) and gives back everywhere (2,); the column
        means of the features (S,).
    """
    rows, dtype = len(x_ND), x_ND.dtype
    tile = tile or rbf_tile(dtype, rows)
    with on_device_of(x_ND):
        x_c, y_c, column_means, lengths = centre(x_ND, y_NE)
        sums = x_ND.new_empty((2, rows), dtype=torch.float32)
        down = triton.cdiv(rows, tile.block_m)
        parts = x_ND.new_empty(down, dtype=torch.float64)
        arguments = (rows, x_c.shape[1], y_c.shape[1])
        constexprs = {"UNBIASED": unbiased, **tile.blocks(), **product_of(dtype), **tile.options()}
        row_sum_kernel[(down, 2)](x_c, y_c, lengths, gammas, sums, *arguments, **constexprs)
        (mean_x, total_x), (mean_y, total_y) = (matrix_means(row_sums, unbiased) for row_sums in sums)
        means, totals = torch.stack([mean_x, mean_y]), torch.stack([total_x, total_y])
        product_kernel[(down,)](x_c, y_c, lengths, gammas, means, totals, parts, *arguments, **constexprs)
        value = (parts.sum() * scale(rows, unbiased)).float()
    return value, means, totals, column_means


def backward(
    grad: Tensor,
    x_ND: Tensor,
    y_NE: Tensor,
    gammas: Tensor,
    means: Tensor,
    totals: Tensor,
    column_means: Tensor,
    unbiased: bool,
    tile: Tile | None = None,
) -> tuple[Tensor, Tensor]:
    """Both gradients in the dtype of the features, from weight matrices that are made a few rows at a time."""
    rows, dtype = len(x_ND), x_ND.dtype
    tile = tile or rbf_tile(dtype, rows)
    found = (x_ND.new_empty(x_ND.shape), y_NE.new_empty(y_NE.shape))
    height = min(rows, max(tile.block_m, CHUNK // rows // tile.block_m * tile.block_m))
    factors = -4 * scale(rows, unbiased) * grad * gammas
    with on_device_of(x_ND), torch.autocast(x_ND.device.type, enabled=False):
        x_c, y_c, _, lengths = centre(x_ND, y_NE, column_means)
        weights = x_c.new_empty((2, height, rows))
        constexprs = {"UNBIASED": unbiased, **tile.blocks(), **product_of(dtype), **tile.options()}
        for first in range(0, rows, height):
            count = min(height, rows - first)
            weight_kernel[(triton.cdiv(rows, tile.block_n), triton.cdiv(count, tile.block_m))](
                x_c, y_c, lengths, gammas, means, totals, weights[0], weights[1], first, count, rows, x_c.shape[1],
                y_c.shape[1], **constexprs,
            )  # fmt: skip
            chosen = slice(first, first + count)
            for out, z, weight, factor in zip(found, (x_c, y_c), weights[:, :count], factors, strict=True):
                # d value / d K is the other matrix, centred; K falls with the distance, and each pair counts twice.
                own = weight.sum(1, keepdim=True, dtype=torch.float32) * z[chosen]
                out[chosen] = factor * (own - weight @ z)
    return found
