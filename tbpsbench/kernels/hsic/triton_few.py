"""Launches of the linear kernel for few rows: one forward, one backward.

Shapes: N rows, D and E widths of the two sets, S = D + E.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ..dispatch import interpreting
from ..launching import Tile, dense_rows, kept, on_device_of, parts_of, placed, product_of, rounded, up_to_power
from .terms import scale, sizes_of
from .triton import few_backward_kernel, few_kernel


def few_tile(rows: int) -> Tile:
    """Of both launches for few rows; the number of rows decides block_m and block_n."""
    block = up_to_power(rows, 16)
    return Tile(block, block, 32, 16 if block == 128 else 8, 3)


def few_product(dtype: torch.dtype, unbiased: bool) -> dict[str, Any]:
    """How few rows are multiplied: with all digits that centring adds to half precision, which costs nothing here.

    The unbiased estimator is a small difference of large sums.
    """
    exact = unbiased or product_of(dtype)["DOT"] == "ieee"
    return {"DOT": "ieee" if exact else "tf32", "UP": interpreting()}


def few_forward(
    x_ND: Tensor, y_NE: Tensor, unbiased: bool, tile: Tile | None = None
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """HSIC of few rows in one launch.

    Returns:
        The value, both centred matrices (2, N, N), the column means (S,), and nothing (0,).
    """
    x_ND, y_NE = dense_rows(x_ND), dense_rows(y_NE)
    sizes = sizes_of(x_ND, y_NE)
    rows, width, other, *_ = sizes
    tile = tile or few_tile(rows)
    value = x_ND.new_empty((), dtype=torch.float32)
    matrices = x_ND.new_empty((2, rows, rows), dtype=torch.float32)
    means = x_ND.new_empty(width + other, dtype=torch.float32)

    def options() -> dict[str, Any]:
        blocks = {"BLOCK_M": tile.block_m, "BLOCK_K": tile.block_k, "BLOCK_S": 1024}
        return {"UNBIASED": unbiased} | blocks | few_product(x_ND.dtype, unbiased) | tile.options()

    with on_device_of(x_ND):
        key = (sizes, x_ND.dtype, rounded(x_ND.dtype), unbiased, tile, placed(x_ND, y_NE))
        launch = kept(key, few_kernel, (1,), options)
        launch(x_ND, y_NE, value, matrices, means, *sizes, scale(rows, unbiased))
    return value, matrices, means, x_ND.new_empty(0, dtype=torch.float32)


def few_backward(
    grad: Tensor,
    x_ND: Tensor,
    y_NE: Tensor,
    matrices: Tensor,
    means: Tensor,
    unbiased: bool,
    wanted: tuple[bool, bool],
    tile: Tile | None = None,
) -> tuple[Tensor | None, Tensor | None]:
    """Both gradients, or those that are wanted, in one launch."""
    x_ND, y_NE = dense_rows(x_ND), dense_rows(y_NE)
    sizes = sizes_of(x_ND, y_NE)
    tile = tile or few_tile(sizes[0])
    outs = [z.new_empty(z.shape) if want else None for z, want in zip((x_ND, y_NE), wanted, strict=True)]
    blocks = [parts_of(z.shape[1], tile.block_k) * want for z, want in zip((x_ND, y_NE), wanted, strict=True)]
    given = (grad, x_ND, y_NE, matrices, means)

    def options() -> dict[str, Any]:
        blocks = {"BLOCK_M": tile.block_m, "BLOCK_K": tile.block_k}
        return blocks | few_product(x_ND.dtype, unbiased) | tile.options()

    with on_device_of(x_ND):
        key = (sizes, x_ND.dtype, grad.dtype, rounded(x_ND.dtype), unbiased, wanted, tile, placed(*given))
        launch = kept(key, few_backward_kernel, (sum(blocks),), options)
        launch(*given, *(x_ND if out is None else out for out in outs), *sizes, scale(sizes[0], unbiased), blocks[0])
    return outs[0], outs[1]
