"""What the linear kernel launches, for the compile gate (`shipping`)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import torch

from ..shipping import Budget, Compiled
from ..triton_centring import COLUMNS, ROWS, centre_kernel, sum_kernel
from .triton import few_backward_kernel, few_kernel
from .triton_backward import backward_kernel
from .triton_few import few_tile
from .triton_launch import JOINED, LENGTHS, SUMMED, backward_tile, cross_tile
from .triton_rbf import product_kernel, row_sum_kernel, weight_kernel
from .triton_rbf_launch import rbf_tile
from .triton_width import cross_kernel, join_kernel, row_kernel, value_kernel

if TYPE_CHECKING:
    from triton.runtime.jit import JITFunction

# Arguments of all kernels, whose names mean the same everywhere; widths and distances between rows as usual.
FLOATS = ["value", "matrix", "mean", "grad", "part", "sum", "rest", "length", "stat", "gamma", "total"]
TYPES = (
    {f"{name}_ptr": "*fp32" for name in FLOATS}
    | dict.fromkeys(("width", "other", "stride_x", "stride_y", "size", "per_part"), "i32:16")
    | dict.fromkeys(("rows", "total", "blocks", "parts", "squares", "groups", "span", "first", "last"), "i32")
    | {"scale": "fp32", "square_ptr": "*fp64"}
)
FEATURES = ("x_ptr", "y_ptr", "out_x_ptr", "out_y_ptr", "cross_ptr", "weight_x_ptr", "weight_y_ptr")


def compiled(
    name: str, kernel: JITFunction, dtype: str, options: tuple[int, int], constexprs: dict[str, Any], budget: Budget
) -> Compiled:
    """One configuration with its warps and stages; argument types follow from the arguments' names."""
    types = TYPES | dict.fromkeys(FEATURES, f"*{dtype}")
    signature = {argument: types[argument] for argument in kernel.arg_names if argument not in constexprs}
    return Compiled(name, kernel, signature, constexprs, *options, budget)


def shipped(capability: int) -> Iterator[Compiled]:  # noqa: ARG001
    """Both forms of the linear kernel, in bfloat16 (tf32 for few rows) and float32 (IEEE), and the RBF kernel."""
    plain, matrix = Budget(), Budget(tensor_cores=True)
    # A few spills outside the loop: 128 rows fill the registers of the one program there is.
    for rows, dot, dtype, budget in ((128, "tf32", "bf16", Budget(spills=80)), (64, "ieee", "fp32", Budget(spills=16))):
        tile = few_tile(rows)
        product = {"BLOCK_M": tile.block_m, "BLOCK_K": tile.block_k, "DOT": dot, "UP": False}
        name, options = f"{rows} rows {dtype}", (tile.warps, tile.stages)
        forward = {"UNBIASED": dot == "ieee", "BLOCK_S": 1024} | product
        yield compiled(f"few {name}", few_kernel, dtype, options, forward, budget)
        yield compiled(f"few backward {name}", few_backward_kernel, dtype, options, product, budget)
    half = {"DOT": "bf16", "UP": False}
    tile = cross_tile(torch.bfloat16)
    constexprs = {"GIVEN": False, "BLOCK_C": SUMMED} | tile.blocks() | half
    yield compiled("cross bf16", cross_kernel, "bf16", (tile.warps, tile.stages), constexprs, matrix)
    tile = backward_tile(torch.bfloat16)
    for unbiased in (False, True):
        name = f"backward bf16{' unbiased' if unbiased else ''}"
        constexprs = {"UNBIASED": unbiased} | tile.blocks() | half
        yield compiled(name, backward_kernel, "bf16", (tile.warps, tile.stages), constexprs, matrix)
    usual = (4, 2)
    joined = {"GIVEN": False, "STORE": True, "UP": False, "BLOCK_M": JOINED[0], "BLOCK_N": JOINED[1]}
    yield compiled("join bf16", join_kernel, "bf16", usual, joined, plain)
    rows_of = {"BLOCK_M": LENGTHS[0], "BLOCK_K": LENGTHS[1]} | half
    yield compiled("rows bf16", row_kernel, "bf16", usual, rows_of, plain)
    yield compiled("value", value_kernel, "fp32", usual, {"UNBIASED": True, "BLOCK": 256}, plain)
    yield compiled("column sums fp32", sum_kernel, "fp32", usual, {"BLOCK_M": ROWS, "BLOCK_N": COLUMNS}, plain)
    exact = {"DOT": "ieee", "UP": False}
    centring = {"GIVEN": False, "BLOCK_M": ROWS, "BLOCK_N": 2 * COLUMNS} | exact
    yield compiled("centring fp32", centre_kernel, "fp32", usual, centring, Budget(spills=16))
    for dtype, product, budget in (("bf16", half, matrix), ("fp32", exact, Budget(spills=8))):
        tile = rbf_tile(torch.bfloat16 if dtype == "bf16" else torch.float32, 8192)
        constexprs = {"STRIP": dtype == "fp32", "UNBIASED": False} | tile.blocks() | product
        for name, kernel in (("row sums", row_sum_kernel), ("products", product_kernel), ("weights", weight_kernel)):
            options = (tile.warps, tile.stages)
            yield compiled(f"RBF {name} {dtype}", kernel, dtype, options, constexprs, budget)
