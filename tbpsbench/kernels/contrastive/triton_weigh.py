"""Backward kernels beyond small batches: the gradient by a block of similarities, which matrix products take up.

In half precision `weigh_kernel` multiplies and weighs; in float32 the vendor's library multiplies, and the kernel
weighs in place. A program that kept the gradients of its rows instead would have to compute every similarity twice, and
in float32 would spill its registers.

A thread needs more numbers of columns than its share of a tile has: all of them at once do not fit the registers beside
it. So a tile is weighed and stored some columns at a time, and what can be done for each row and column once is
done before, by `prepare_kernel`.

Shapes: N pairs, R x C similarities of a block.
"""

# ruff: noqa: ANN001, ANN201, ANN202, SIM108
# mypy: disallow-untyped-defs=False, disallow-incomplete-defs=False
from __future__ import annotations

import triton
import triton.language as tl

from .triton_parts import arriving, halves, product
from .triton_rows import LOG2E, weigh

# Numbers of a row in each direction: four that `weigh` takes, and what multiplies its cosines.
PREPARED = tl.constexpr(5)


@triton.jit
def prepare_kernel(
    scale, saved, grad, unit, prepared, rows, factor, role_stride, row_stride, row_weight, column_weight,
    KIND: tl.constexpr, HAS_SCALE: tl.constexpr, HAS_UNIT: tl.constexpr, BLOCK_M: tl.constexpr,
):  # fmt: skip
    """What the weights of rows and columns are made of, (2, 5, N)."""
    row = tl.program_id(0) * BLOCK_M + tl.arange(0, BLOCK_M)
    row_ok = row < rows
    one = 1.0
    if HAS_UNIT:
        one = tl.load(unit)
    for role in tl.static_range(2):
        by, first, second, third, fourth = arriving(
            saved, grad, scale, row, row_ok, rows, factor, role_stride, row_stride,
            (column_weight if role else row_weight) / one, role, KIND, HAS_SCALE,
        )  # fmt: skip
        place = prepared + role * PREPARED * rows + row
        tl.store(place, first, mask=row_ok)
        tl.store(place + rows, second, mask=row_ok)
        tl.store(place + 2 * rows, third, mask=row_ok)
        tl.store(place + 3 * rows, fourth, mask=row_ok)
        tl.store(place + 4 * rows, by, mask=row_ok)


@triton.jit
def _numbers(prepared, row, row_ok, rows, ROLE: tl.constexpr, KIND: tl.constexpr):
    place = prepared + ROLE * PREPARED * rows + row
    first = tl.load(place, mask=row_ok, other=0.0)
    second = tl.load(place + rows, mask=row_ok, other=0.0)
    third = tl.load(place + 2 * rows, mask=row_ok, other=0.0)
    if KIND == "entropy":
        fourth = third
    else:
        fourth = tl.load(place + 3 * rows, mask=row_ok, other=0.0)
    return first, second, third, fourth


@triton.jit
def _weigh_columns(
    tile, out, label, prepared, by, row_label, first, second, third, fourth, row_first, col_first, begin, end, start,
    last, rows, stride, KIND: tl.constexpr, PER_ROW: tl.constexpr, BULK: tl.constexpr, BLOCK_M: tl.constexpr,
    BLOCK_N: tl.constexpr,
):  # fmt: skip
    """Weigh and store some columns of a tile."""
    row = row_first + tl.arange(0, BLOCK_M)
    col = col_first + tl.arange(0, BLOCK_N)
    row_ok, col_ok = row < end, col < last
    col_label = tl.load(label + col, mask=col_ok, other=0)
    same = row_label[:, None] == col_label[None, :]
    y = tile * by
    weight = weigh(
        y, same, col[None, :].to(tl.float32), first[:, None], second[:, None], third[:, None], fourth[:, None], KIND
    )
    if PER_ROW:
        col_by = tl.load(prepared + (2 * PREPARED - 1) * rows + col, mask=col_ok, other=0.0)
        y = tile * col_by[None, :]
    first, second, third, fourth = _numbers(prepared, col, col_ok, rows, 1, KIND)
    weight += weigh(
        y, same, row[:, None].to(tl.float32), first[None, :], second[None, :], third[None, :], fourth[None, :], KIND
    )
    weight = weight.to(out.dtype if BULK else out.dtype.element_ty)
    if BULK:
        out.store([row_first - begin, col_first - start], weight)
    else:
        at = (row - begin)[:, None].to(tl.int64) * stride + (col - start)[None, :]
        tl.store(out + at, weight, mask=row_ok[:, None] & col_ok[None, :])


@triton.jit
def weigh_kernel(
    anchor, positive, s, out, label, scale, prepared, begin, end, start, last, rows, width, columns, stride, factor,
    KIND: tl.constexpr, HAS_SCALE: tl.constexpr, PER_ROW: tl.constexpr, MULTIPLY: tl.constexpr, BULK: tl.constexpr,
    SPLIT: tl.constexpr, BLOCK_M: tl.constexpr, BLOCK_N: tl.constexpr, BLOCK_K: tl.constexpr, PRECISION: tl.constexpr,
    UP: tl.constexpr,
):  # fmt: skip
    """Gradient by the similarities of rows `begin` to below `end` and columns `start` to below `last`.

    They are read from `s`, whose rows like those of `out` are `stride` apart, or made here if MULTIPLY. A program owns
    M rows of `columns` columns. BULK: the sides and `out` are descriptors, with boxes (M, K) where M = N, and
    (M, N / SPLIT); the loops over tiles and channels are one then, so that the next tile is copied meanwhile.
    """
    row_first = begin + tl.program_id(0) * BLOCK_M
    row = row_first + tl.arange(0, BLOCK_M)
    row_ok = row < end
    if PER_ROW:
        by = tl.load(prepared + (PREPARED - 1) * rows + row, mask=row_ok, other=0.0)[:, None]
    else:
        by = factor * LOG2E
        if HAS_SCALE:
            by = by * tl.load(scale).to(tl.float32)
    first, second, third, fourth = _numbers(prepared, row, row_ok, rows, 0, KIND)
    row_label = tl.load(label + row, mask=row_ok, other=0)
    here = start + tl.program_id(1) * columns
    stop = tl.minimum(here + columns, last)
    for col_first in tl.range(here, stop, BLOCK_N, flatten=BULK):
        if MULTIPLY:
            tile = product(
                anchor, positive, row_first, col_first, end, stop, width, BLOCK_M, BLOCK_N, BLOCK_K, PRECISION, UP, BULK
            )
        else:
            col = col_first + tl.arange(0, BLOCK_N)
            at = (row - begin)[:, None].to(tl.int64) * stride + (col - start)[None, :]
            tile = tl.load(s + at, mask=row_ok[:, None] & (col < stop)[None, :], other=0.0)
        if SPLIT == 1:
            _weigh_columns(
                tile, out, label, prepared, by, row_label, first, second, third, fourth, row_first, col_first, begin,
                end, start, stop, rows, stride, KIND, PER_ROW, BULK, BLOCK_M, BLOCK_N,
            )  # fmt: skip
        else:
            left, right = halves(tile, BLOCK_M, BLOCK_N)
            for half in tl.static_range(2):
                part = right if half else left
                at_half = col_first + half * (BLOCK_N // 2)
                if SPLIT == 2:
                    _weigh_columns(
                        part, out, label, prepared, by, row_label, first, second, third, fourth, row_first, at_half,
                        begin, end, start, stop, rows, stride, KIND, PER_ROW, BULK, BLOCK_M, BLOCK_N // 2,
                    )  # fmt: skip
                else:
                    one, two = halves(part, BLOCK_M, BLOCK_N // 2)
                    for quarter in tl.static_range(2):
                        _weigh_columns(
                            two if quarter else one, out, label, prepared, by, row_label, first, second, third, fourth,
                            row_first, at_half + quarter * (BLOCK_N // 4), begin, end, start, stop, rows, stride,
                            KIND, PER_ROW, BULK, BLOCK_M, BLOCK_N // 4,
                        )  # fmt: skip
