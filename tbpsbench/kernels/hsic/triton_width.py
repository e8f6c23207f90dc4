"""HSIC with the linear kernel in Triton for many rows: ||X_c^T Y_c||^2, centring fused into the loads.

`cross_kernel` splits the rows over programs, each of which writes its own (D, E) partial product; other programs of the
same launch sum the columns. Features are shifted by the mean of eight of their rows before they are rounded for the
tensor cores; `join_kernel` adds the parts up in a fixed order and takes off the rest of the mean,
C = sum a b^T - N mean(a) mean(b)^T, which loses nothing since a and b are nearly centred. No atomics: the same bits in
every run.

Shapes: N rows, D and E widths of the two sets, S = D + E, P parts of the rows.
"""

# ruff: noqa: ANN001, ANN201
# mypy: disallow-untyped-defs=False, disallow-incomplete-defs=False
from __future__ import annotations

import triton
import triton.language as tl

from ..triton_centring import centred, column_sums, shift_of
from ..triton_rounding import precision, rounded


@triton.jit
def cross_kernel(x_ptr, y_ptr, mean_ptr, part_ptr, sum_ptr, rows, width, other, stride_x, stride_y, per_part,
                 GIVEN: tl.constexpr, BLOCK_M: tl.constexpr, BLOCK_N: tl.constexpr, BLOCK_K: tl.constexpr,
                 BLOCK_C: tl.constexpr, DOT: tl.constexpr, UP: tl.constexpr):  # fmt: skip
    """(P, D, E) partial products of shifted features, and (P, S) column sums; with GIVEN, of centred features alone."""
    block, part = tl.program_id(0), tl.program_id(1)
    across = tl.cdiv(other, BLOCK_N)
    tiles = tl.cdiv(width, BLOCK_M) * across
    first = part * per_part
    last = tl.minimum(rows, first + per_part)
    if block < tiles:
        col_x = block // across * BLOCK_M + tl.arange(0, BLOCK_M)
        col_y = block % across * BLOCK_N + tl.arange(0, BLOCK_N)
        in_x, in_y = col_x < width, col_y < other
        if GIVEN:
            shift_x = tl.load(mean_ptr + col_x, mask=in_x, other=0.0)
            shift_y = tl.load(mean_ptr + width + col_y, mask=in_y, other=0.0)
        else:
            shift_x = shift_of(x_ptr, stride_x, rows, col_x, in_x)
            shift_y = shift_of(y_ptr, stride_y, rows, col_y, in_y)
        found = tl.zeros((BLOCK_M, BLOCK_N), tl.float32)
        for start in range(first, last, BLOCK_K):
            row = start + tl.arange(0, BLOCK_K)
            x = centred(x_ptr, stride_x, row, row < last, col_x, in_x, shift_x, DOT, UP)
            y = centred(y_ptr, stride_y, row, row < last, col_y, in_y, shift_y, DOT, UP)
            found = tl.dot(tl.trans(x), y, found, input_precision=precision(DOT))
        at = part.to(tl.int64) * width * other + col_x.to(tl.int64)[:, None] * other + col_y[None, :]
        tl.store(part_ptr + at, found, mask=in_x[:, None] & in_y[None, :])
    elif not GIVEN:
        block -= tiles
        blocks = tl.cdiv(width, BLOCK_C)
        sum_ptr += part * (width + other)
        if block < blocks:
            column_sums(x_ptr, sum_ptr, block, first, last, rows, width, stride_x, BLOCK_C, BLOCK_K, DOT, UP)
        else:
            sum_ptr += width
            column_sums(y_ptr, sum_ptr, block - blocks, first, last, rows, other, stride_y, BLOCK_C, BLOCK_K, DOT, UP)


@triton.jit
def join_kernel(x_ptr, y_ptr, part_ptr, sum_ptr, cross_ptr, mean_ptr, square_ptr, rows, width, other, stride_x,
                stride_y, parts, size, GIVEN: tl.constexpr, STORE: tl.constexpr, UP: tl.constexpr,
                BLOCK_M: tl.constexpr, BLOCK_N: tl.constexpr):  # fmt: skip
    """C (D, E) from its parts, the column means (S,), and for each program the sum of the squares of its tile."""
    across = tl.cdiv(other, BLOCK_N)
    block = tl.program_id(0)
    col_x = block // across * BLOCK_M + tl.arange(0, BLOCK_M)
    col_y = block % across * BLOCK_N + tl.arange(0, BLOCK_N)
    in_x, in_y = col_x < width, col_y < other
    mask = in_x[:, None] & in_y[None, :]
    at = col_x.to(tl.int64)[:, None] * other + col_y[None, :]
    found = tl.zeros((BLOCK_M, BLOCK_N), tl.float32)
    sum_x, sum_y = tl.zeros((BLOCK_M,), tl.float32), tl.zeros((BLOCK_N,), tl.float32)
    for _ in range(parts):
        found += tl.load(part_ptr + at, mask=mask, other=0.0)
        part_ptr += size
        if not GIVEN:
            sum_x += tl.load(sum_ptr + col_x, mask=in_x, other=0.0)
            sum_y += tl.load(sum_ptr + width + col_y, mask=in_y, other=0.0)
            sum_ptr += width + other
    if not GIVEN:
        found -= (sum_x / rows)[:, None] * sum_y[None, :]
        if block % across == 0:
            shift = shift_of(x_ptr, stride_x, rows, col_x, in_x)
            tl.store(mean_ptr + col_x, shift + sum_x / rows, mask=in_x)
        if block // across == 0:
            shift = shift_of(y_ptr, stride_y, rows, col_y, in_y)
            tl.store(mean_ptr + width + col_y, shift + sum_y / rows, mask=in_y)
    if STORE:
        tl.store(cross_ptr + at, rounded(found, cross_ptr.dtype.element_ty, UP), mask=mask)
    wide = tl.where(mask, found, 0.0).to(tl.float64)
    tl.store(square_ptr + block, tl.sum(tl.sum(wide * wide, 1), 0))


@triton.jit
def value_kernel(square_ptr, stat_ptr, rest_ptr, value_ptr, squares, groups, span, rows, scale, UNBIASED: tl.constexpr,
                 BLOCK: tl.constexpr):  # fmt: skip
    """HSIC from the squares; unbiased, also the sums of `row_kernel` over its groups, (3 + S,)."""
    at = tl.arange(0, BLOCK)
    block = tl.program_id(0)
    if block == 0:
        total = tl.zeros((BLOCK,), tl.float64)
        for start in range(0, squares, BLOCK):
            total += tl.load(square_ptr + start + at, mask=start + at < squares, other=0.0)
        value = tl.sum(total, 0)
        if UNBIASED:
            both = tl.zeros((BLOCK,), tl.float64)
            k_sum, l_sum = both, both
            for start in range(0, groups, BLOCK):
                group = start + at
                kept = group < groups
                both += tl.load(stat_ptr + group.to(tl.int64) * span, mask=kept, other=0.0).to(tl.float64)
                k_sum += tl.load(stat_ptr + group.to(tl.int64) * span + 1, mask=kept, other=0.0).to(tl.float64)
                l_sum += tl.load(stat_ptr + group.to(tl.int64) * span + 2, mask=kept, other=0.0).to(tl.float64)
            both_sum, k_total, l_total = tl.sum(both, 0), tl.sum(k_sum, 0), tl.sum(l_sum, 0)
            value += k_total / (rows - 1) * l_total / (rows - 2) - both_sum / (rows - 2) * rows
        tl.store(value_ptr, (value * scale).to(tl.float32))
    if UNBIASED:
        col = block * BLOCK + at
        found = tl.zeros((BLOCK,), tl.float64)
        for _ in range(groups):
            found += tl.load(stat_ptr + col, mask=col < span, other=0.0).to(tl.float64)
            stat_ptr += span
        tl.store(rest_ptr + col, found.to(tl.float32), mask=col < span)


@triton.jit
def squared_lengths(ptr, mean_ptr, row, kept, width, stride, BLOCK_M: tl.constexpr, BLOCK_K: tl.constexpr,
                    DOT: tl.constexpr, UP: tl.constexpr):  # fmt: skip
    """Of some centred rows."""
    found = tl.zeros((BLOCK_M, BLOCK_K), tl.float32)
    for start in range(0, width, BLOCK_K):
        col = start + tl.arange(0, BLOCK_K)
        inside = col < width
        mean = tl.load(mean_ptr + col, mask=inside, other=0.0)
        x = centred(ptr, stride, row, kept, col, inside, mean, DOT, UP).to(tl.float32)
        found += x * x
    return tl.sum(found, 1)


@triton.jit
def weighted_sums(ptr, mean_ptr, weight, stat_ptr, row, kept, width, stride, BLOCK_K: tl.constexpr, DOT: tl.constexpr,
                  UP: tl.constexpr):  # fmt: skip
    """Column sums of some centred rows, each times its weight."""
    for start in range(0, width, BLOCK_K):
        col = start + tl.arange(0, BLOCK_K)
        inside = col < width
        mean = tl.load(mean_ptr + col, mask=inside, other=0.0)
        x = centred(ptr, stride, row, kept, col, inside, mean, DOT, UP).to(tl.float32)
        tl.store(stat_ptr + col, tl.sum(x * weight[:, None], 0), mask=inside)


@triton.jit
def row_kernel(x_ptr, y_ptr, mean_ptr, length_ptr, stat_ptr, rows, width, other, stride_x, stride_y,
               BLOCK_M: tl.constexpr, BLOCK_K: tl.constexpr, DOT: tl.constexpr, UP: tl.constexpr):  # fmt: skip
    """Unbiased: squared lengths k and l (2, N); for each group of rows sums of k l, k, l, l x and k y (3 + S)."""
    group = tl.program_id(0)
    row = group * BLOCK_M + tl.arange(0, BLOCK_M)
    kept = row < rows
    k = squared_lengths(x_ptr, mean_ptr, row, kept, width, stride_x, BLOCK_M, BLOCK_K, DOT, UP)
    l = squared_lengths(y_ptr, mean_ptr + width, row, kept, other, stride_y, BLOCK_M, BLOCK_K, DOT, UP)  # noqa: E741
    tl.store(length_ptr + row, k, mask=kept)
    tl.store(length_ptr + rows + row, l, mask=kept)
    stat_ptr += group.to(tl.int64) * (3 + width + other)
    tl.store(stat_ptr, tl.sum(k * l, 0))
    tl.store(stat_ptr + 1, tl.sum(k, 0))
    tl.store(stat_ptr + 2, tl.sum(l, 0))
    weighted_sums(x_ptr, mean_ptr, l, stat_ptr + 3, row, kept, width, stride_x, BLOCK_K, DOT, UP)
    weighted_sums(y_ptr, mean_ptr + width, k, stat_ptr + 3 + width, row, kept, other, stride_y, BLOCK_K, DOT, UP)
