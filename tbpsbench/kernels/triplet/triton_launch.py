"""Launches of the batch-hard loss, with their static table of tiles.

Shapes: N rows, D width.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ..dispatch import interpreting
from ..launching import Tile, dense_rows, kept, on_device_of, parts_of, placed, product_of, up_to_power
from ..triton_centring import centre
from .triton import gradient_kernel, hardest_kernel, mean_kernel

# Indices that one program compares at once, and the widest part of a row that it owns.
SCANNED, OWNED = 1024, 1024
# Of launches that do not multiply.
OPTIONS: dict[str, Any] = {"num_warps": 4, "enable_fp_fusion": True}


def hardest_tile(dtype: torch.dtype, rows: int) -> Tile:
    """Anchors, rows that they are compared with at once, columns of one step."""
    few = rows <= 2048
    if dtype == torch.bfloat16:
        return Tile(32, 64, 64, 4, 3) if few else Tile(128, 128, 64, 8, 3)
    return Tile(32, 32, 32, 4, 3) if few else Tile(64, 64, 32, 4, 3)


def forward(
    x_ND: Tensor, label_N: Tensor, margin: float, mean: bool, tile: Tile | None = None
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Mining and cost.

    Returns:
        The mean, a scalar, or the costs (N,), float32; the rows that each cost depends on besides its anchor, (N,)
        int32 twice, -1 where there is no gradient; what one anchor has in the mean (1,).
    """
    x_ND, label_N = dense_rows(x_ND), label_N.contiguous()
    rows, width = x_ND.shape
    tile = tile or hardest_tile(x_ND.dtype, rows)
    cost = x_ND.new_empty(rows, dtype=torch.float32)
    positive, negative = (x_ND.new_empty(rows, dtype=torch.int32) for _ in range(2))
    valid = x_ND.new_empty(rows, dtype=torch.int8)
    share = x_ND.new_empty(1 if mean else 0, dtype=torch.float32)
    value = x_ND.new_empty((), dtype=torch.float32) if mean else cost
    with on_device_of(x_ND):
        centred, _, _, lengths = centre(x_ND)
        given, sizes, product = (x_ND, centred, lengths, label_N), (rows, width, x_ND.stride(0)), product_of(x_ND.dtype)
        launch = kept(
            (sizes, x_ND.dtype, label_N.dtype, *product.values(), tile, placed(*given)), hardest_kernel,
            (parts_of(rows, tile.block_m),), lambda: tile.blocks() | product | tile.options(),
        )  # fmt: skip
        launch(*given, cost, positive, negative, valid, *sizes, float(margin))
        if mean:
            launch = kept((rows, x_ND.get_device()), mean_kernel, (1,), lambda: {"BLOCK": 1024} | OPTIONS)
            launch(cost, valid, lengths, value, share, rows)
        else:
            cost.add_(lengths[0], alpha=0)  # not a number where a feature is none, as in `mean_kernel`
    return value, positive, negative, share


def backward(grad: Tensor, x_ND: Tensor, positive: Tensor, negative: Tensor, share: Tensor, mean: bool) -> Tensor:
    """The gradient (N, D) in the dtype of the features; `grad` is that of the mean or of the costs (N,)."""
    x_ND = dense_rows(x_ND)
    rows, width = x_ND.shape
    out = x_ND.new_empty((rows, width))
    owned = min(OWNED, up_to_power(width, 16))
    given, sizes = (grad.contiguous(), share, x_ND, positive, negative), (rows, width, x_ND.stride(0))

    def options() -> dict[str, Any]:
        blocks = {"BLOCK_N": min(SCANNED, up_to_power(rows, 16)), "BLOCK_D": owned}
        return {"MEAN": mean, "UP": interpreting()} | blocks | OPTIONS

    with on_device_of(x_ND):
        key = (sizes, x_ND.dtype, grad.dtype, mean, placed(*given))
        kept(key, gradient_kernel, (rows, parts_of(width, owned)), options)(*given, out, *sizes)
    return out
