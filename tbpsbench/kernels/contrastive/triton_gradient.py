"""Backward kernel of a small batch: one launch for both sides, which recomputes every tile for each block of channels.

A program owns rows and channels of one side and walks over the other; nothing is added up in memory by several
programs: no atomics.
"""

# ruff: noqa: ANN001, ANN201
# mypy: disallow-untyped-defs=False, disallow-incomplete-defs=False
from __future__ import annotations

import triton
import triton.language as tl

from .triton_parts import arriving, load_tile, product
from .triton_rows import weigh


@triton.jit
def gradient_rows(
    own, other, label, scale, saved, grad, unit, out, rows, width, factor, role_stride, row_stride, own_weight,
    other_weight, ROLE: tl.constexpr, KIND: tl.constexpr, HAS_SCALE: tl.constexpr, HAS_UNIT: tl.constexpr,
    BLOCK_M: tl.constexpr, BLOCK_N: tl.constexpr, BLOCK_K: tl.constexpr, BLOCK_D: tl.constexpr,
    PRECISION: tl.constexpr, UP: tl.constexpr,
):  # fmt: skip
    """Gradient of a block of rows and channels."""
    row_first = tl.program_id(0) * BLOCK_M
    row = row_first + tl.arange(0, BLOCK_M)
    row_ok = row < rows
    channel = tl.program_id(1) * BLOCK_D
    one = 1.0
    if HAS_UNIT:
        one = tl.load(unit)
    by, first, second, third, fourth = arriving(
        saved, grad, scale, row, row_ok, rows, factor, role_stride, row_stride, own_weight / one, ROLE, KIND, HAS_SCALE
    )
    own_label = tl.load(label + row, mask=row_ok, other=0)
    total = tl.zeros((BLOCK_M, BLOCK_D), tl.float32)
    for start in range(0, rows, BLOCK_N):
        col = start + tl.arange(0, BLOCK_N)
        col_ok = col < rows
        s = product(own, other, row_first, start, rows, rows, width, BLOCK_M, BLOCK_N, BLOCK_K, PRECISION, UP, False)
        other_by, other_first, other_second, other_third, other_fourth = arriving(
            saved, grad, scale, col, col_ok, rows, factor, role_stride, row_stride, other_weight / one,
            1 - ROLE, KIND, HAS_SCALE,
        )  # fmt: skip
        other_label = tl.load(label + col, mask=col_ok, other=0)
        same = own_label[:, None] == other_label[None, :]
        weight = weigh(
            s * by[:, None], same, col[None, :].to(tl.float32),
            first[:, None], second[:, None], third[:, None], fourth[:, None], KIND,
        )  # fmt: skip
        weight += weigh(
            s * other_by[None, :], same, row[:, None].to(tl.float32),
            other_first[None, :], other_second[None, :], other_third[None, :], other_fourth[None, :], KIND,
        )  # fmt: skip
        # Beyond the last column an exponential may be infinite, and infinity times nothing is NaN.
        weight = tl.where(col_ok[None, :], weight, 0.0)
        other_tile = load_tile(other, start, rows, channel, width, BLOCK_N, BLOCK_D, UP)
        total = tl.dot(weight.to(other_tile.dtype), other_tile, total, input_precision=PRECISION)
    lane = channel + tl.arange(0, BLOCK_D)
    place = out + row[:, None].to(tl.int64) * width + lane[None, :]
    tl.store(place, (total * one).to(out.dtype.element_ty), mask=row_ok[:, None] & (lane < width)[None, :])


@triton.jit
def gradient_kernel(
    anchor, positive, label, scale, saved, grad, unit, anchor_grad, positive_grad, rows, width, factor, role_stride,
    row_stride, row_weight, column_weight, first_role, KIND: tl.constexpr, HAS_SCALE: tl.constexpr,
    HAS_UNIT: tl.constexpr, BLOCK_M: tl.constexpr, BLOCK_N: tl.constexpr, BLOCK_K: tl.constexpr, BLOCK_D: tl.constexpr,
    PRECISION: tl.constexpr, UP: tl.constexpr,
):  # fmt: skip
    """Gradient of the anchors, or of the positives, where `first_role` plus the grid's third axis is not 0."""
    if tl.program_id(2) + first_role == 0:
        gradient_rows(
            anchor, positive, label, scale, saved, grad, unit, anchor_grad, rows, width, factor, role_stride,
            row_stride, row_weight, column_weight, 0, KIND, HAS_SCALE, HAS_UNIT,
            BLOCK_M, BLOCK_N, BLOCK_K, BLOCK_D, PRECISION, UP,
        )  # fmt: skip
    else:
        gradient_rows(
            positive, anchor, label, scale, saved, grad, unit, positive_grad, rows, width, factor, role_stride,
            row_stride, column_weight, row_weight, 1, KIND, HAS_SCALE, HAS_UNIT,
            BLOCK_M, BLOCK_N, BLOCK_K, BLOCK_D, PRECISION, UP,
        )  # fmt: skip
