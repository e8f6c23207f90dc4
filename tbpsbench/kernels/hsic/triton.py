"""HSIC with the linear kernel in Triton for few rows (at most 128): one launch forward, one backward.

One program makes both N x N matrices, centring in the load, finds the value and keeps the matrices (128 KiB at most).

Shapes: N rows, D and E widths of the two sets, S = D + E.
"""

# ruff: noqa: ANN001, ANN201
# mypy: disallow-untyped-defs=False, disallow-incomplete-defs=False
from __future__ import annotations

import triton
import triton.language as tl

from ..triton_centring import centred
from ..triton_rounding import operand, precision, rounded


@triton.jit
def gram(x_ptr, mean_ptr, matrix_ptr, rows, width, stride, UNBIASED: tl.constexpr, BLOCK_M: tl.constexpr,
         BLOCK_K: tl.constexpr, DOT: tl.constexpr, UP: tl.constexpr):  # fmt: skip
    """Stores X_c X_c^T of all rows at once, centred without its diagonal if UNBIASED, and the column means."""
    row = tl.arange(0, BLOCK_M)
    kept = row < rows
    found = tl.zeros((BLOCK_M, BLOCK_M), tl.float32)
    for start in range(0, width, BLOCK_K):
        col = start + tl.arange(0, BLOCK_K)
        inside = col < width
        mask = kept[:, None] & inside[None, :]
        tile = tl.load(x_ptr + row[:, None] * stride + col[None, :], mask=mask, other=0.0).to(tl.float32)
        mean = tl.sum(tile, 0) / rows
        tl.store(mean_ptr + col, mean, mask=inside)
        tile = operand(tl.where(mask, tile - mean[None, :], 0.0), DOT, UP)
        found = tl.dot(tile, tl.trans(tile), found, input_precision=precision(DOT))
    if UNBIASED:
        found = without_diagonal(found, rows, BLOCK_M)
    mask = kept[:, None] & kept[None, :]
    tl.store(matrix_ptr + row[:, None] * rows + row[None, :], found, mask=mask)


@triton.jit
def without_diagonal(matrix, rows, BLOCK_M: tl.constexpr):
    """Centring of a matrix without its diagonal: its row sums are minus the diagonal of the centred whole one."""
    row = tl.arange(0, BLOCK_M)
    diagonal = tl.sum(tl.where(row[:, None] == row[None, :], matrix, 0.0), 1)
    across = tl.sum(tl.where(row[:, None] == row[None, :], matrix, 0.0), 0)
    total = tl.sum(diagonal, 0) / (rows - 1)
    matrix += (diagonal[:, None] + across[None, :] - total) / (rows - 2)
    mask = (row[:, None] != row[None, :]) & (row < rows)[:, None] & (row < rows)[None, :]
    return tl.where(mask, matrix, 0.0)


@triton.jit
def few_kernel(x_ptr, y_ptr, value_ptr, matrix_ptr, mean_ptr, rows, width, other, stride_x, stride_y, scale,
               UNBIASED: tl.constexpr, BLOCK_M: tl.constexpr, BLOCK_K: tl.constexpr, BLOCK_S: tl.constexpr,
               DOT: tl.constexpr, UP: tl.constexpr):  # fmt: skip
    """Value, both centred matrices (2, N, N) and the column means (S,) of few rows, by one program."""
    gram(x_ptr, mean_ptr, matrix_ptr, rows, width, stride_x, UNBIASED, BLOCK_M, BLOCK_K, DOT, UP)
    gram(y_ptr, mean_ptr + width, matrix_ptr + rows * rows, rows, other, stride_y, UNBIASED, BLOCK_M, BLOCK_K, DOT, UP)
    # Both matrices at once do not fit the registers; the barrier makes what other threads stored visible.
    tl.debug_barrier()
    total = tl.zeros((BLOCK_S,), tl.float64)
    for start in range(0, rows * rows, BLOCK_S):
        at = start + tl.arange(0, BLOCK_S)
        k = tl.load(matrix_ptr + at, mask=at < rows * rows, other=0.0)
        l = tl.load(matrix_ptr + rows * rows + at, mask=at < rows * rows, other=0.0)  # noqa: E741
        total += (k * l).to(tl.float64)
    tl.store(value_ptr, (tl.sum(total, 0) * scale).to(tl.float32))


@triton.jit
def pull(x_ptr, mean_ptr, matrix_ptr, out_ptr, block, rows, width, stride, factor, BLOCK_M: tl.constexpr,
         BLOCK_K: tl.constexpr, DOT: tl.constexpr, UP: tl.constexpr):  # fmt: skip
    """factor x matrix X_c for some columns."""
    row, col = tl.arange(0, BLOCK_M), block * BLOCK_K + tl.arange(0, BLOCK_K)
    kept, inside = row < rows, col < width
    mean = tl.load(mean_ptr + col, mask=inside, other=0.0)
    x = centred(x_ptr, stride, row, kept, col, inside, mean, DOT, UP)
    square = kept[:, None] & kept[None, :]
    matrix = tl.load(matrix_ptr + row[:, None] * rows + row[None, :], mask=square, other=0.0)
    found = tl.dot(operand(matrix, DOT, UP), x, input_precision=precision(DOT)) * factor
    mask = kept[:, None] & inside[None, :]
    tl.store(out_ptr + row[:, None] * width + col[None, :], rounded(found, out_ptr.dtype.element_ty, UP), mask=mask)


@triton.jit
def few_backward_kernel(grad_ptr, x_ptr, y_ptr, matrix_ptr, mean_ptr, out_x_ptr, out_y_ptr, rows, width, other,
                        stride_x, stride_y, scale, blocks, BLOCK_M: tl.constexpr, BLOCK_K: tl.constexpr,
                        DOT: tl.constexpr, UP: tl.constexpr):  # fmt: skip
    """Both gradients: the first `blocks` programs those of x, the others those of y."""
    block = tl.program_id(0)
    factor = 2.0 * scale * tl.load(grad_ptr).to(tl.float32)
    if block < blocks:
        l_ptr = matrix_ptr + rows * rows
        pull(x_ptr, mean_ptr, l_ptr, out_x_ptr, block, rows, width, stride_x, factor, BLOCK_M, BLOCK_K, DOT, UP)
    else:
        pull(y_ptr, mean_ptr + width, matrix_ptr, out_y_ptr, block - blocks, rows, other, stride_y, factor, BLOCK_M,
             BLOCK_K, DOT, UP)  # fmt: skip
