"""Backward kernel: a program owns rows of one side, walks over the other and computes each tile again.

It is launched once a side with swapped roles, or once for both where there is little to do. Nothing is added up in
memory by several programs: no atomics.

Shapes: N pairs, D width.
"""

# ruff: noqa: ANN001, ANN201
# mypy: disallow-untyped-defs=False, disallow-incomplete-defs=False
from __future__ import annotations


import triton
import triton.language as tl

from .triton_rows import LN2, prepare, weigh
from .triton_statistics import load_tile, product, scales


@triton.jit
def arriving(
    saved,
    grad,
    scale,
    row,
    row_ok,
    rows,
    factor,
    role_stride,
    row_stride,
    weight,
    ROLE: tl.constexpr,
    KIND: tl.constexpr,
    HAS_SCALE: tl.constexpr,
):
    """Of rows: what multiplies their cosines, in base 2, and the numbers that `weigh` takes."""
    by = scales(scale, row, row_ok, factor, role_stride, row_stride, ROLE, HAS_SCALE)
    u = weight * tl.load(grad + row, mask=row_ok, other=0.0)
    if KIND == "entropy" or KIND == "divergence":
        u = u * by * LN2
    kept = saved + ROLE * 4 * rows + row
    first = tl.load(kept, mask=row_ok, other=0.0)
    second = tl.load(kept + rows, mask=row_ok, other=0.0)
    third = tl.load(kept + 2 * rows, mask=row_ok, other=0.0)
    fourth = tl.load(kept + 3 * rows, mask=row_ok, other=0.0)
    first, second, third, fourth = prepare(first, second, third, fourth, u, KIND)
    return by, first, second, third, fourth


@triton.jit
def gradient_rows(
    own,
    other,
    label,
    scale,
    saved,
    grad,
    unit,
    out,
    rows,
    width,
    factor,
    role_stride,
    row_stride,
    own_weight,
    other_weight,
    ROLE: tl.constexpr,
    KIND: tl.constexpr,
    HAS_SCALE: tl.constexpr,
    HAS_UNIT: tl.constexpr,
    BLOCK_M: tl.constexpr,
    BLOCK_N: tl.constexpr,
    BLOCK_K: tl.constexpr,
    BLOCK_D: tl.constexpr,
    WHOLE: tl.constexpr,
    PRECISION: tl.constexpr,
    UP: tl.constexpr,
):
    """Gradient of a block of rows and channels."""
    row = tl.program_id(0) * BLOCK_M + tl.arange(0, BLOCK_M)
    row_ok = row < rows
    channel = tl.program_id(1) * BLOCK_D
    one = 1.0
    if HAS_UNIT:
        one = tl.load(unit)
    by, first, second, third, fourth = arriving(
        saved, grad, scale, row, row_ok, rows, factor, role_stride, row_stride, own_weight / one, ROLE, KIND, HAS_SCALE
    )
    own_label = tl.load(label + row, mask=row_ok, other=0)
    own_row = 0
    if WHOLE:
        own_row = load_tile(own, row, row_ok, 0, width, BLOCK_K, UP)
    total = tl.zeros((BLOCK_M, BLOCK_D), tl.float32)
    for start in range(0, rows, BLOCK_N):
        col = start + tl.arange(0, BLOCK_N)
        col_ok = col < rows
        if WHOLE:
            other_tile = load_tile(other, col, col_ok, 0, width, BLOCK_K, UP)
            s = tl.dot(own_row, tl.trans(other_tile), input_precision=PRECISION)
        else:
            s = product(own_row, other, own, col, row_ok, col_ok, row, width, BLOCK_M, BLOCK_N, BLOCK_K, WHOLE, PRECISION, UP)
            other_tile = load_tile(other, col, col_ok, channel, width, BLOCK_D, UP)
        other_by, other_first, other_second, other_third, other_fourth = arriving(
            saved, grad, scale, col, col_ok, rows, factor, role_stride, row_stride, other_weight / one,
            1 - ROLE, KIND, HAS_SCALE,
        )
        other_label = tl.load(label + col, mask=col_ok, other=0)
        same = own_label[:, None] == other_label[None, :]
        weight = weigh(
            s * by[:, None], same, col[None, :].to(tl.float32),
            first[:, None], second[:, None], third[:, None], fourth[:, None], KIND,
        )
        weight += weigh(
            s * other_by[None, :], same, row[:, None].to(tl.float32),
            other_first[None, :], other_second[None, :], other_third[None, :], other_fourth[None, :], KIND,
        )
        weight = tl.where(col_ok[None, :], weight, 0.0)
        total = tl.dot(weight.to(other_tile.dtype), other_tile, total, input_precision=PRECISION)
    place_channel = channel + tl.arange(0, BLOCK_D)
    place = out + row[:, None].to(tl.int64) * width + place_channel[None, :]
    total = (total * one).to(out.dtype.element_ty)
    tl.store(place, total, mask=row_ok[:, None] & (place_channel < width)[None, :])


@triton.jit
def gradient_kernel(
    anchor,
    positive,
    label,
    scale,
    saved,
    grad,
    unit,
    anchor_grad,
    positive_grad,
    rows,
    width,
    factor,
    role_stride,
    row_stride,
    row_weight,
    column_weight,
    KIND: tl.constexpr,
    HAS_SCALE: tl.constexpr,
    HAS_UNIT: tl.constexpr,
    ROLE: tl.constexpr,
    BLOCK_M: tl.constexpr,
    BLOCK_N: tl.constexpr,
    BLOCK_K: tl.constexpr,
    BLOCK_D: tl.constexpr,
    WHOLE: tl.constexpr,
    PRECISION: tl.constexpr,
    UP: tl.constexpr,
):
    """ROLE 0: gradient of the anchors; 1: of the positives; 2: of both, by the grid's third axis."""
    if ROLE == 2:
        if tl.program_id(2) == 0:
            gradient_rows(
                anchor, positive, label, scale, saved, grad, unit, anchor_grad, rows, width, factor, role_stride,
                row_stride, row_weight, column_weight, 0, KIND, HAS_SCALE, HAS_UNIT,
                BLOCK_M, BLOCK_N, BLOCK_K, BLOCK_D, WHOLE, PRECISION, UP,
            )
        else:
            gradient_rows(
                positive, anchor, label, scale, saved, grad, unit, positive_grad, rows, width, factor, role_stride,
                row_stride, column_weight, row_weight, 1, KIND, HAS_SCALE, HAS_UNIT,
                BLOCK_M, BLOCK_N, BLOCK_K, BLOCK_D, WHOLE, PRECISION, UP,
            )
    elif ROLE == 0:
        gradient_rows(
            anchor, positive, label, scale, saved, grad, unit, anchor_grad, rows, width, factor, role_stride,
            row_stride, row_weight, column_weight, 0, KIND, HAS_SCALE, HAS_UNIT,
            BLOCK_M, BLOCK_N, BLOCK_K, BLOCK_D, WHOLE, PRECISION, UP,
        )
    else:
        gradient_rows(
            positive, anchor, label, scale, saved, grad, unit, positive_grad, rows, width, factor, role_stride,
            row_stride, column_weight, row_weight, 1, KIND, HAS_SCALE, HAS_UNIT,
            BLOCK_M, BLOCK_N, BLOCK_K, BLOCK_D, WHOLE, PRECISION, UP,
        )
