"""Features less their column means in Triton, in float32, with the squared lengths of the rows that result.

Two launches, for one set of features or two at once: partial column sums, then the subtraction. The sums are those of
features shifted by the mean of eight rows, so that a mean far from zero costs no digits.

Shapes: N rows, D and E widths of the sets, S = D + E, P parts of the rows.
"""

# ruff: noqa: ANN001, ANN201
# mypy: disallow-untyped-defs=False, disallow-incomplete-defs=False
from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

from .launching import LIGHT, dense_rows, kept, on_device_of, parts_of, placed, product_of
from .triton_rounding import operand, rounded

PARTS, ROWS, COLUMNS = 32, 32, 64


@triton.jit
def centred(ptr, stride, row, kept, col, inside, shift, DOT: tl.constexpr, UP: tl.constexpr):
    """Rows x columns, shifted in float32 and rounded; 0 outside."""
    mask = kept[:, None] & inside[None, :]
    tile = tl.load(ptr + row.to(tl.int64)[:, None] * stride + col[None, :], mask=mask, other=0.0)
    return operand(tl.where(mask, tile.to(tl.float32) - shift[None, :], 0.0), DOT, UP)


@triton.jit
def shift_of(ptr, stride, rows, col, inside):
    """Mean of eight rows spread over all: added in a fixed order, so that every program finds the same bits."""
    found = tl.zeros(col.shape, tl.float32)
    for i in tl.static_range(8):
        row = tl.cast(i * (rows // 8), tl.int64)
        found += tl.load(ptr + row * stride + col, mask=inside, other=0.0).to(tl.float32)
    return found * 0.125


@triton.jit
def column_sums(ptr, sum_ptr, block, first, last, rows, width, stride, BLOCK_C: tl.constexpr, BLOCK_K: tl.constexpr,
                DOT: tl.constexpr, UP: tl.constexpr):  # fmt: skip
    """Sums of shifted, rounded rows `first` ... `last` for some columns."""
    col = block * BLOCK_C + tl.arange(0, BLOCK_C)
    inside = col < width
    shift = shift_of(ptr, stride, rows, col, inside)
    total = tl.zeros((BLOCK_K, BLOCK_C), tl.float32)
    for start in range(first, last, BLOCK_K):
        row = start + tl.arange(0, BLOCK_K)
        total += centred(ptr, stride, row, row < last, col, inside, shift, DOT, UP).to(tl.float32)
    tl.store(sum_ptr + col, tl.sum(total, 0), mask=inside)


@triton.jit
def sum_kernel(x_ptr, y_ptr, sum_ptr, rows, width, other, stride_x, stride_y, per_part, BLOCK_M: tl.constexpr,
               BLOCK_N: tl.constexpr):  # fmt: skip
    """(P, S) column sums of both sets."""
    block, part = tl.program_id(0), tl.program_id(1)
    first = part * per_part
    last = tl.minimum(rows, first + per_part)
    blocks = tl.cdiv(width, BLOCK_N)
    sum_ptr += part * (width + other)
    if block < blocks:
        column_sums(x_ptr, sum_ptr, block, first, last, rows, width, stride_x, BLOCK_N, BLOCK_M, "ieee", False)
    else:
        sum_ptr += width
        block -= blocks
        column_sums(y_ptr, sum_ptr, block, first, last, rows, other, stride_y, BLOCK_N, BLOCK_M, "ieee", False)


@triton.jit
def centre_rows(ptr, sum_ptr, mean_ptr, out_ptr, length_ptr, block, rows, width, stride, span, parts,
                GIVEN: tl.constexpr, DOT: tl.constexpr, UP: tl.constexpr, BLOCK_M: tl.constexpr,
                BLOCK_N: tl.constexpr):  # fmt: skip
    """Some rows of one set."""
    row = block * BLOCK_M + tl.arange(0, BLOCK_M)
    kept = row < rows
    length = tl.zeros((BLOCK_M, BLOCK_N), tl.float32)
    for start in range(0, width, BLOCK_N):
        col = start + tl.arange(0, BLOCK_N)
        inside = col < width
        if GIVEN:
            mean = tl.load(mean_ptr + col, mask=inside, other=0.0)
        else:
            total = tl.zeros((BLOCK_N,), tl.float32)
            for part in range(parts):
                total += tl.load(sum_ptr + part * span + col, mask=inside, other=0.0)
            mean = shift_of(ptr, stride, rows, col, inside) + total / rows
            if block == 0:
                tl.store(mean_ptr + col, mean, mask=inside)
        x = centred(ptr, stride, row, kept, col, inside, mean, DOT, UP)
        at = row.to(tl.int64)[:, None] * width + col[None, :]
        tl.store(
            out_ptr + at, rounded(x.to(tl.float32), out_ptr.dtype.element_ty, UP), mask=kept[:, None] & inside[None, :]
        )
        x = x.to(tl.float32)
        length += x * x
    tl.store(length_ptr + row, tl.sum(length, 1), mask=kept)


@triton.jit
def centre_kernel(x_ptr, y_ptr, sum_ptr, mean_ptr, out_x_ptr, out_y_ptr, length_ptr, rows, width, other, stride_x,
                  stride_y, parts, GIVEN: tl.constexpr, DOT: tl.constexpr, UP: tl.constexpr, BLOCK_M: tl.constexpr,
                  BLOCK_N: tl.constexpr):  # fmt: skip
    """Both centred sets, their means (S,) unless they are given, and the squared lengths of the rows (2, N)."""
    block = tl.program_id(0)
    span = width + other
    if tl.program_id(1) == 0:
        centre_rows(x_ptr, sum_ptr, mean_ptr, out_x_ptr, length_ptr, block, rows, width, stride_x, span, parts, GIVEN,
                    DOT, UP, BLOCK_M, BLOCK_N)  # fmt: skip
    else:
        centre_rows(y_ptr, sum_ptr + width, mean_ptr + width, out_y_ptr, length_ptr + rows, block, rows, other,
                    stride_y, span, parts, GIVEN, DOT, UP, BLOCK_M, BLOCK_N)  # fmt: skip


def centre(
    x_ND: Tensor, y_NE: Tensor | None = None, means: Tensor | None = None
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Features less their column means.

    Args:
        x_ND, y_NE: (N, D) and (N, E) of one dtype, N >= 1; without a second set E is 0.
        means: (S,) float32, where they are known.

    Returns:
        Both centred sets, contiguous, float32 or bfloat16 (rounded to it where they came so); the means (S,) float32;
        squared lengths of the centred rows, (2, N) float32 or (1, N) for one set.
    """
    x_ND = dense_rows(x_ND)
    y = x_ND if y_NE is None else dense_rows(y_NE)
    rows, width, other, sets = len(x_ND), x_ND.shape[1], 0 if y_NE is None else y.shape[1], 1 if y_NE is None else 2
    dtype = torch.bfloat16 if x_ND.dtype == torch.bfloat16 else torch.float32
    out_x = x_ND.new_empty((rows, width), dtype=dtype)
    out_y = x_ND.new_empty((rows, other), dtype=dtype)
    lengths = x_ND.new_empty((sets, rows), dtype=torch.float32)
    given = means is not None
    sizes = (rows, width, other, x_ND.stride(0), y.stride(0))
    product = product_of(x_ND.dtype)
    key = (sizes, sets, x_ND.dtype, *product.values(), placed(x_ND, y, *([] if means is None else [means])))
    with on_device_of(x_ND):
        parts = min(PARTS, parts_of(rows, 4 * ROWS))
        if means is None:
            means = x_ND.new_empty(width + other, dtype=torch.float32)
            sums = x_ND.new_empty((parts, width + other), dtype=torch.float32)
            grid = (parts_of(width, COLUMNS) + parts_of(other, COLUMNS), parts)
            launch = kept(key, sum_kernel, grid, lambda: {"BLOCK_M": ROWS, "BLOCK_N": COLUMNS} | LIGHT)
            launch(x_ND, y, sums, *sizes, parts_of(rows, parts))
        else:
            sums = means
        blocks = {"BLOCK_M": ROWS, "BLOCK_N": 2 * COLUMNS}
        launch = kept(
            key, centre_kernel, (parts_of(rows, ROWS), sets), lambda: {"GIVEN": given} | product | blocks | LIGHT
        )
        launch(x_ND, y, sums, means, out_x, out_y, lengths, *sizes, parts)
    return out_x, out_y, means, lengths
