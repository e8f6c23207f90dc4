"""Kernels of the backward pass and of float32 on a strip: some rows of the similarities, all columns.

The gradient by a strip's similarities goes to memory, where two matrix products of the vendor's library take it up. In
half precision one kernel multiplies and weighs; in float32 the library multiplies, too, and the kernel weighs in place.
A program that kept the gradients of its rows instead would have to compute every similarity twice, and in float32
would spill its registers.

Shapes: N pairs, C rows of a strip.
"""

# ruff: noqa: ANN001, ANN201, SIM102
# mypy: disallow-untyped-defs=False, disallow-incomplete-defs=False
from __future__ import annotations

import triton
import triton.language as tl

from .triton_parts import arriving, get, product, put, scales
from .triton_rows import empty, update, weigh


@triton.jit
def strip_statistics_kernel(
    s, label, scale, part, begin, end, rows, factor, role_stride, row_stride, KIND: tl.constexpr,
    MOMENTS: tl.constexpr, SLOPES: tl.constexpr, HAS_SCALE: tl.constexpr, ROLE: tl.constexpr, BLOCK_M: tl.constexpr,
    BLOCK_N: tl.constexpr,
):  # fmt: skip
    """Statistics (2, 7, N) of the strip's rows (ROLE 0), or what the strip adds to those of all columns (ROLE 1)."""
    own = tl.program_id(0) * BLOCK_M + tl.arange(0, BLOCK_M)
    if ROLE == 0:
        own += begin
        own_ok = own < end
        first, last = 0, rows
    else:
        own_ok = own < rows
        first, last = begin, end
    by = scales(scale, own, own_ok, factor, role_stride, row_stride, ROLE, HAS_SCALE)
    own_label = tl.load(label + own, mask=own_ok, other=0)
    place = part + ROLE * 7 * rows + own
    a, b, c, d, e, f, n = empty(BLOCK_M, KIND)
    if ROLE == 1:
        if begin > 0:
            a, b, c, d, e, f, n = get(place, rows, own_ok)
    for start in range(first, last, BLOCK_N):
        other = start + tl.arange(0, BLOCK_N)
        other_ok = other < last
        if ROLE == 0:
            at = (own - begin)[:, None].to(tl.int64) * rows + other[None, :]
        else:
            at = (other - begin)[None, :].to(tl.int64) * rows + own[:, None]
        y = tl.load(s + at, mask=own_ok[:, None] & other_ok[None, :], other=0.0) * by[:, None]
        other_label = tl.load(label + other, mask=other_ok, other=0)
        same = own_label[:, None] == other_label[None, :]
        a, b, c, d, e, f, n = update(a, b, c, d, e, f, n, y, same, other_ok[None, :], other, KIND, MOMENTS, SLOPES, 0)
    put(place, rows, own_ok, a, b, c, d, e, f, n)


@triton.jit
def weigh_kernel(
    anchor, positive, s, out, label, scale, saved, grad, unit, begin, end, rows, width, factor, role_stride,
    row_stride, row_weight, column_weight, KIND: tl.constexpr, HAS_SCALE: tl.constexpr, HAS_UNIT: tl.constexpr,
    MULTIPLY: tl.constexpr, BLOCK_M: tl.constexpr, BLOCK_N: tl.constexpr, BLOCK_K: tl.constexpr,
    PRECISION: tl.constexpr, UP: tl.constexpr,
):  # fmt: skip
    """Gradient by the similarities of a strip (C, N), which are read from `s`, or made here if MULTIPLY."""
    row_first = begin + tl.program_id(0) * BLOCK_M
    col_first = tl.program_id(1) * BLOCK_N
    row = row_first + tl.arange(0, BLOCK_M)
    col = col_first + tl.arange(0, BLOCK_N)
    row_ok, col_ok = row < end, col < rows
    at = (row - begin)[:, None].to(tl.int64) * rows + col[None, :]
    ok = row_ok[:, None] & col_ok[None, :]
    if MULTIPLY:
        tile = product(
            anchor, positive, row_first, col_first, end, rows, width, BLOCK_M, BLOCK_N, BLOCK_K, PRECISION, UP
        )
    else:
        tile = tl.load(s + at, mask=ok, other=0.0)
    one = 1.0
    if HAS_UNIT:
        one = tl.load(unit)
    by, first, second, third, fourth = arriving(
        saved, grad, scale, row, row_ok, rows, factor, role_stride, row_stride, row_weight / one, 0, KIND, HAS_SCALE
    )
    col_by, col_first_, col_second, col_third, col_fourth = arriving(
        saved, grad, scale, col, col_ok, rows, factor, role_stride, row_stride, column_weight / one, 1, KIND, HAS_SCALE
    )
    row_label = tl.load(label + row, mask=row_ok, other=0)
    col_label = tl.load(label + col, mask=col_ok, other=0)
    same = row_label[:, None] == col_label[None, :]
    weight = weigh(
        tile * by[:, None], same, col[None, :].to(tl.float32),
        first[:, None], second[:, None], third[:, None], fourth[:, None], KIND,
    )  # fmt: skip
    weight += weigh(
        tile * col_by[None, :], same, row[:, None].to(tl.float32),
        col_first_[None, :], col_second[None, :], col_third[None, :], col_fourth[None, :], KIND,
    )  # fmt: skip
    tl.store(out + at, weight.to(out.dtype.element_ty), mask=ok)
