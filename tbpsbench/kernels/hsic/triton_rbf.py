"""HSIC with the RBF kernel in Triton: both kernel matrices tile by tile, never whole.

`row_sum_kernel` and `product_kernel` stream over all columns for the rows that a program owns: the sums that centring
takes off, then the sum of the products of both centred matrices. `weight_kernel` makes some rows of the gradient's two
weight matrices, which the library multiplies by the features. With STRIP the library has made the products of some rows
with all others already, which in float32 it does faster; they stand in x and y then.

Shapes: N rows, D and E widths of the two sets, C rows of a chunk.
"""

# ruff: noqa: ANN001, ANN201
# mypy: disallow-untyped-defs=False, disallow-incomplete-defs=False
from __future__ import annotations

import triton
import triton.language as tl

from ..triton_rounding import precision, rounded


@triton.jit
def kernel_tile(x_ptr, length_ptr, gamma_ptr, row, col, first, last, rows, width, STRIP: tl.constexpr,
                BLOCK_M: tl.constexpr, BLOCK_N: tl.constexpr, BLOCK_K: tl.constexpr, DOT: tl.constexpr,
                UP: tl.constexpr):  # fmt: skip
    """exp(-gamma ||x_i - x_j||^2) of centred rows below `last`; 1 on the diagonal, 0 outside."""
    kept, inside = row < last, col < rows
    if STRIP:
        at = (row - first).to(tl.int64)[:, None] * rows + col[None, :]
        product = tl.load(x_ptr + at, mask=kept[:, None] & inside[None, :], other=0.0)
    else:
        product = tl.zeros((BLOCK_M, BLOCK_N), tl.float32)
        for start in range(0, width, BLOCK_K):
            k = start + tl.arange(0, BLOCK_K)
            in_k = k < width
            mask = kept[:, None] & in_k[None, :]
            a = tl.load(x_ptr + row.to(tl.int64)[:, None] * width + k[None, :], mask=mask, other=0.0)
            mask = inside[:, None] & in_k[None, :]
            b = tl.load(x_ptr + col.to(tl.int64)[:, None] * width + k[None, :], mask=mask, other=0.0)
            if UP:
                a, b = a.to(tl.float32), b.to(tl.float32)
            product = tl.dot(a, tl.trans(b), product, input_precision=precision(DOT))
    own = tl.load(length_ptr + row, mask=kept, other=0.0)
    other = tl.load(length_ptr + col, mask=inside, other=0.0)
    # Rounding makes small ones negative; what is not a number stays.
    distance = tl.maximum(own[:, None] + other[None, :] - 2.0 * product, 0.0, tl.PropagateNan.ALL)
    distance = tl.where(row[:, None] == col[None, :], 0.0, distance)
    found = tl.exp(-tl.load(gamma_ptr) * distance)
    return tl.where(kept[:, None] & inside[None, :], found, 0.0)


@triton.jit
def centred_tile(tile, mean_ptr, total_ptr, row, col, last, rows, UNBIASED: tl.constexpr):
    """A tile of a kernel matrix whose rows and columns sum to 0; unbiased, with an empty diagonal."""
    own = tl.load(mean_ptr + row, mask=row < last, other=0.0)
    other = tl.load(mean_ptr + col, mask=col < rows, other=0.0)
    mask = (row < last)[:, None] & (col < rows)[None, :]
    if UNBIASED:
        mask = mask & (row[:, None] != col[None, :])
    return tl.where(mask, tile - own[:, None] - (other[None, :] - tl.load(total_ptr)), 0.0)


@triton.jit
def row_sums(x_ptr, length_ptr, gamma_ptr, sum_ptr, first, last, rows, width, STRIP: tl.constexpr,
             UNBIASED: tl.constexpr, BLOCK_M: tl.constexpr, BLOCK_N: tl.constexpr, BLOCK_K: tl.constexpr,
             DOT: tl.constexpr, UP: tl.constexpr):  # fmt: skip
    """Of one matrix, for the rows of this program."""
    row = first + tl.program_id(0) * BLOCK_M + tl.arange(0, BLOCK_M)
    total = tl.zeros((BLOCK_M,), tl.float32)
    for start in range(0, rows, BLOCK_N):
        col = start + tl.arange(0, BLOCK_N)
        tile = kernel_tile(x_ptr, length_ptr, gamma_ptr, row, col, first, last, rows, width, STRIP, BLOCK_M, BLOCK_N,
                           BLOCK_K, DOT, UP)  # fmt: skip
        if UNBIASED:
            tile = tl.where(row[:, None] == col[None, :], 0.0, tile)
        total += tl.sum(tile, 1)
    tl.store(sum_ptr + row, total, mask=row < last)


@triton.jit
def row_sum_kernel(x_ptr, y_ptr, length_ptr, gamma_ptr, sum_ptr, first, last, rows, width, other, STRIP: tl.constexpr,
                   UNBIASED: tl.constexpr, BLOCK_M: tl.constexpr, BLOCK_N: tl.constexpr, BLOCK_K: tl.constexpr,
                   DOT: tl.constexpr, UP: tl.constexpr):  # fmt: skip
    """Row sums of both matrices, (2, N), for rows `first` ... `last`; unbiased, without the diagonal."""
    if tl.program_id(1) == 0:
        row_sums(x_ptr, length_ptr, gamma_ptr, sum_ptr, first, last, rows, width, STRIP, UNBIASED, BLOCK_M, BLOCK_N,
                 BLOCK_K, DOT, UP)  # fmt: skip
    else:
        row_sums(y_ptr, length_ptr + rows, gamma_ptr + 1, sum_ptr + rows, first, last, rows, other, STRIP, UNBIASED,
                 BLOCK_M, BLOCK_N, BLOCK_K, DOT, UP)  # fmt: skip


@triton.jit
def product_kernel(x_ptr, y_ptr, length_ptr, gamma_ptr, mean_ptr, total_ptr, part_ptr, first, last, rows, width, other,
                   STRIP: tl.constexpr, UNBIASED: tl.constexpr, BLOCK_M: tl.constexpr, BLOCK_N: tl.constexpr,
                   BLOCK_K: tl.constexpr, DOT: tl.constexpr, UP: tl.constexpr):  # fmt: skip
    """For each block of rows the sum of the products of both centred matrices, float64."""
    row = first + tl.program_id(0) * BLOCK_M + tl.arange(0, BLOCK_M)
    total = tl.zeros((BLOCK_M,), tl.float64)
    for start in range(0, rows, BLOCK_N):
        col = start + tl.arange(0, BLOCK_N)
        k_tile = kernel_tile(x_ptr, length_ptr, gamma_ptr, row, col, first, last, rows, width, STRIP, BLOCK_M, BLOCK_N,
                             BLOCK_K, DOT, UP)  # fmt: skip
        k_tile = centred_tile(k_tile, mean_ptr, total_ptr, row, col, last, rows, UNBIASED)
        l_tile = kernel_tile(y_ptr, length_ptr + rows, gamma_ptr + 1, row, col, first, last, rows, other, STRIP,
                             BLOCK_M, BLOCK_N, BLOCK_K, DOT, UP)  # fmt: skip
        l_tile = centred_tile(l_tile, mean_ptr + rows, total_ptr + 1, row, col, last, rows, UNBIASED)
        total += tl.sum(k_tile * l_tile, 1).to(tl.float64)
    tl.store(part_ptr + first // BLOCK_M + tl.program_id(0), tl.sum(total, 0))


@triton.jit
def weight_kernel(x_ptr, y_ptr, length_ptr, gamma_ptr, mean_ptr, total_ptr, weight_x_ptr, weight_y_ptr, first, last,
                  rows, width, other, STRIP: tl.constexpr, UNBIASED: tl.constexpr, BLOCK_M: tl.constexpr,
                  BLOCK_N: tl.constexpr, BLOCK_K: tl.constexpr, DOT: tl.constexpr, UP: tl.constexpr):  # fmt: skip
    """K times centred L and L times centred K for rows `first` ... `last`, (C, N) each; in place with STRIP."""
    local = tl.program_id(1) * BLOCK_M + tl.arange(0, BLOCK_M)
    row = first + local
    col = tl.program_id(0) * BLOCK_N + tl.arange(0, BLOCK_N)
    k_tile = kernel_tile(x_ptr, length_ptr, gamma_ptr, row, col, first, last, rows, width, STRIP, BLOCK_M, BLOCK_N,
                         BLOCK_K, DOT, UP)  # fmt: skip
    l_tile = kernel_tile(y_ptr, length_ptr + rows, gamma_ptr + 1, row, col, first, last, rows, other, STRIP, BLOCK_M,
                         BLOCK_N, BLOCK_K, DOT, UP)  # fmt: skip
    weight_x = k_tile * centred_tile(l_tile, mean_ptr + rows, total_ptr + 1, row, col, last, rows, UNBIASED)
    weight_y = l_tile * centred_tile(k_tile, mean_ptr, total_ptr, row, col, last, rows, UNBIASED)
    at = local.to(tl.int64)[:, None] * rows + col[None, :]
    mask = (row < last)[:, None] & (col < rows)[None, :]
    tl.store(weight_x_ptr + at, rounded(weight_x, weight_x_ptr.dtype.element_ty, UP), mask=mask)
    tl.store(weight_y_ptr + at, rounded(weight_y, weight_y_ptr.dtype.element_ty, UP), mask=mask)
