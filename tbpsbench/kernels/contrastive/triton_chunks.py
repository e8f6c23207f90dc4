"""Kernels on a chunk of rows of the similarities that a matrix product has left in memory: float32, or wide features.

A fused backward pass in float32 spills its registers; a product of the vendor's library and one pass in place does not.

Shapes: N pairs, C rows of a chunk.
"""

# ruff: noqa: ANN001, ANN201
# mypy: disallow-untyped-defs=False, disallow-incomplete-defs=False
from __future__ import annotations


import triton
import triton.language as tl

from .triton_gradient import arriving
from .triton_rows import empty, update, weigh
from .triton_statistics import get, put, scales


@triton.jit
def chunk_statistics_kernel(
    s,
    label,
    scale,
    part,
    begin,
    end,
    rows,
    factor,
    role_stride,
    row_stride,
    KIND: tl.constexpr,
    MOMENTS: tl.constexpr,
    SLOPES: tl.constexpr,
    HAS_SCALE: tl.constexpr,
    ROLE: tl.constexpr,
    BLOCK_M: tl.constexpr,
    BLOCK_N: tl.constexpr,
):
    """Statistics (2, 7, N) of the chunk's rows (ROLE 0), or what the chunk adds to those of all columns (ROLE 1)."""
    if ROLE == 0:
        own = begin + tl.program_id(0) * BLOCK_M + tl.arange(0, BLOCK_M)
        own_ok = own < end
        first, last = 0, rows
    else:
        own = tl.program_id(0) * BLOCK_M + tl.arange(0, BLOCK_M)
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
        a, b, c, d, e, f, n = update(a, b, c, d, e, f, n, y, same, other_ok[None, :], other, KIND, MOMENTS, SLOPES)
    put(place, rows, own_ok, a, b, c, d, e, f, n)


@triton.jit
def weigh_kernel(
    s,
    out,
    label,
    scale,
    saved,
    grad,
    unit,
    begin,
    end,
    rows,
    factor,
    role_stride,
    row_stride,
    row_weight,
    column_weight,
    KIND: tl.constexpr,
    HAS_SCALE: tl.constexpr,
    HAS_UNIT: tl.constexpr,
    BLOCK_M: tl.constexpr,
    BLOCK_N: tl.constexpr,
):
    """Similarities of a chunk (C, N) to the gradient by them; `out` may be `s`."""
    row = begin + tl.program_id(1) * BLOCK_M + tl.arange(0, BLOCK_M)
    col = tl.program_id(0) * BLOCK_N + tl.arange(0, BLOCK_N)
    row_ok, col_ok = row < end, col < rows
    one = 1.0
    if HAS_UNIT:
        one = tl.load(unit)
    by, first, second, third, fourth = arriving(
        saved, grad, scale, row, row_ok, rows, factor, role_stride, row_stride, row_weight / one, 0, KIND, HAS_SCALE
    )
    col_by, col_first, col_second, col_third, col_fourth = arriving(
        saved, grad, scale, col, col_ok, rows, factor, role_stride, row_stride, column_weight / one, 1, KIND, HAS_SCALE
    )
    at = (row - begin)[:, None].to(tl.int64) * rows + col[None, :]
    ok = row_ok[:, None] & col_ok[None, :]
    tile = tl.load(s + at, mask=ok, other=0.0)
    row_label = tl.load(label + row, mask=row_ok, other=0)
    col_label = tl.load(label + col, mask=col_ok, other=0)
    same = row_label[:, None] == col_label[None, :]
    weight = weigh(
        tile * by[:, None], same, col[None, :].to(tl.float32),
        first[:, None], second[:, None], third[:, None], fourth[:, None], KIND,
    )
    weight += weigh(
        tile * col_by[None, :], same, row[:, None].to(tl.float32),
        col_first[None, :], col_second[None, :], col_third[None, :], col_fourth[None, :], KIND,
    )
    tl.store(out + at, weight.to(out.dtype.element_ty), mask=ok)
