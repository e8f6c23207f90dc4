"""Launches of the RBF kernel's Triton forms.

Shapes: N rows, D and E widths of the two sets, C rows of a chunk.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from ..launching import Tile, alike, kept, on_device_of, parts_of, placed, product_of
from ..triton_centring import centre
from .terms import scale
from .torch import matrix_means
from .triton_rbf import product_kernel, row_sum_kernel, weight_kernel

# Values of one strip of a matrix, rows with all others, that exist at once.
STRIP = 1 << 23


def rbf_tile(dtype: torch.dtype, rows: int) -> Tile:
    """Of all three kernels: rows, columns, columns of the features in one step; float32 has strips of products."""
    if dtype == torch.bfloat16:
        return Tile(64, 64, 64, 4, 3) if rows <= 4096 else Tile(128, 64, 64, 8, 3)
    return Tile(8, 256, 16, 4, 2) if dtype == torch.float32 else Tile(64, 64, 32, 8, 3)


class _Sides:
    """Both centred sets, and the launches that all three kernels share."""

    def __init__(self, x_ND: Tensor, y_NE: Tensor, gammas: Tensor, means: Tensor | None, unbiased: bool) -> None:
        self.x, self.y, self.columns, self.lengths = centre(x_ND, y_NE, means)
        self.gammas, self.rows, self.library = gammas, len(x_ND), x_ND.dtype == torch.float32
        self.tile = rbf_tile(x_ND.dtype, self.rows)
        self.constexprs = {"STRIP": self.library, "UNBIASED": unbiased, **self.tile.blocks()}
        self.constexprs |= product_of(x_ND.dtype) | self.tile.options()
        self.sizes = (self.rows, self.x.shape[1], self.y.shape[1])
        # All of it, as `kept` wants to know what Triton compiles for.
        self.key = (self.x.dtype, *self.sizes, *self.constexprs.values())
        self.made = False
        self.room: Tensor | None = None

    def launch(self, kernel: Any, grid: tuple[int, ...], given: tuple[Tensor, ...], first: int, last: int) -> None:
        """Run a kernel on the rows `first` to below `last`."""
        key = (self.key, alike(first, last), placed(*given))
        kept(key, kernel, grid, lambda: self.constexprs)(*given, first, last, *self.sizes)

    def height(self) -> int:
        """Rows of a strip: all, where it fits."""
        block = self.tile.block_m
        return min(self.rows, max(block, STRIP // self.rows // block * block))

    def strips(self, weights: bool = False) -> Iterator[tuple[int, int, Tensor, Tensor]]:
        """First and last row, and what the kernels read in place of x and y: products of these rows with all others in
        float32, else the features, for all rows at once unless weight matrices are to be made."""
        if not self.library:
            height = self.height() if weights else self.rows
            for first in range(0, self.rows, height):
                yield first, min(self.rows, first + height), self.x, self.y
            return
        height = self.height()
        if self.room is None:
            self.room = self.x.new_empty((2, height, self.rows))
        for first in range(0, self.rows, height):
            last = min(self.rows, first + height)
            strip = self.room[:, : last - first]
            # One strip that holds all rows is not made twice.
            if not self.made or height < self.rows:
                for z, out in zip((self.x, self.y), strip, strict=True):
                    torch.mm(z[first:last], z.T, out=out)
                self.made = True
            yield first, last, strip[0], strip[1]


def forward(x_ND: Tensor, y_NE: Tensor, gammas: Tensor, unbiased: bool) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """HSIC by streaming over tiles twice.

    Args:
        gammas: (2,) float32, 1 / (2 sigma^2) of both sets.

    Returns:
        The value; what centring takes off the rows of both matrices (2, N) and gives back everywhere (2,); the column
        means of the features (S,).
    """
    rows = len(x_ND)
    with on_device_of(x_ND), torch.autocast(x_ND.device.type, enabled=False):
        sides = _Sides(x_ND, y_NE, gammas, None, unbiased)
        sums = x_ND.new_empty((2, rows), dtype=torch.float32)
        block = sides.tile.block_m
        parts = x_ND.new_empty(parts_of(rows, block), dtype=torch.float64)
        fixed = (sides.lengths, gammas)
        for first, last, x, y in sides.strips():
            down = parts_of(last - first, block)
            sides.launch(row_sum_kernel, (down, 2), (x, y, *fixed, sums), first, last)
        (mean_x, total_x), (mean_y, total_y) = (matrix_means(row_sums, unbiased) for row_sums in sums)
        means, totals = torch.stack([mean_x, mean_y]), torch.stack([total_x, total_y])
        for first, last, x, y in sides.strips():
            down = parts_of(last - first, block)
            sides.launch(product_kernel, (down,), (x, y, *fixed, means, totals, parts), first, last)
        value = (parts.sum() * scale(rows, unbiased)).float()
    return value, means, totals, sides.columns


def backward(
    grad: Tensor,
    x_ND: Tensor,
    y_NE: Tensor,
    gammas: Tensor,
    means: Tensor,
    totals: Tensor,
    columns: Tensor,
    unbiased: bool,
) -> tuple[Tensor, Tensor]:
    """Both gradients in the dtype of the features, from weight matrices that are made a strip at a time."""
    rows = len(x_ND)
    found = (x_ND.new_empty(x_ND.shape), y_NE.new_empty(y_NE.shape))
    factors = -4 * scale(rows, unbiased) * grad * gammas
    with on_device_of(x_ND), torch.autocast(x_ND.device.type, enabled=False):
        sides = _Sides(x_ND, y_NE, gammas, columns, unbiased)
        made = None if sides.library else sides.x.new_empty((2, sides.height(), rows))
        for first, last, x, y in sides.strips(weights=True):
            weights = (x, y) if made is None else made[:, : last - first].unbind()
            grid = (parts_of(rows, sides.tile.block_n), parts_of(last - first, sides.tile.block_m))
            given = (x, y, sides.lengths, gammas, means, totals, *weights)
            sides.launch(weight_kernel, grid, given, first, last)
            for out, z, weight, factor in zip(found, (sides.x, sides.y), weights, factors, strict=True):
                # d value / d K is the other matrix, centred; K falls with the distance, and each pair counts twice.
                own = weight.sum(1, keepdim=True, dtype=torch.float32) * z[first:last]
                out[first:last] = factor * (own - weight @ z)
    return found
