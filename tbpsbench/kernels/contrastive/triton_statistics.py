"""Forward kernels: statistics of the rows of both directions, streamed over tiles that are never stored.

`statistics_kernel` owns a block of rows and walks over a part of the columns; each part's statistics go to a place of
their own, and `finish_kernel` merges them in a fixed order and makes losses of them. For a small batch the first kernel
does both directions and the rest itself: one launch.

Shapes: N pairs, P parts of the columns.
"""

# ruff: noqa: ANN001, ANN201, SIM102
# mypy: disallow-untyped-defs=False, disallow-incomplete-defs=False
from __future__ import annotations

import triton
import triton.language as tl

from .triton_parts import close, close_unused, get, halves, pair_products, product, put, scales
from .triton_rows import NEVER, empty, merge, update


@triton.jit
def take(
    a, b, c, d, e, f, n, s, label, own_label, by, first, last, KIND: tl.constexpr, MOMENTS: tl.constexpr,
    SLOPES: tl.constexpr, COUNTED: tl.constexpr, BLOCK_N: tl.constexpr,
):  # fmt: skip
    """Take the cosines of a block of rows with the columns from `first` on into the statistics."""
    col = first + tl.arange(0, BLOCK_N)
    # A label that was counted is not below 0.
    other_label = tl.load(label + col, mask=col < last, other=-1 if COUNTED else 0)
    same = own_label[:, None] == other_label[None, :]
    y = s * by[:, None]
    if COUNTED:
        # Cosines beyond the last column are 0.
        y += tl.where(col < last, 0.0, NEVER)[None, :]
    return update(a, b, c, d, e, f, n, y, same, (col < last)[None, :], col, KIND, MOMENTS, SLOPES, COUNTED)


@triton.jit
def scan(
    own, other, label, by, row_first, first, last, rows, width,
    KIND: tl.constexpr, MOMENTS: tl.constexpr, SLOPES: tl.constexpr, COUNTED: tl.constexpr, BLOCK_M: tl.constexpr,
    BLOCK_N: tl.constexpr, BLOCK_K: tl.constexpr, PRECISION: tl.constexpr, UP: tl.constexpr, BULK: tl.constexpr,
    QUARTERED: tl.constexpr,
):  # fmt: skip
    """Statistics of a block of rows over the columns `first` to below `last`."""
    row = row_first + tl.arange(0, BLOCK_M)
    own_label = tl.load(label + row, mask=row < rows, other=0)
    a, b, c, d, e, f, n = empty(BLOCK_M, KIND)
    for start in range(first, last, BLOCK_N):
        s = product(own, other, row_first, start, rows, last, width, BLOCK_M, BLOCK_N, BLOCK_K, PRECISION, UP, BULK)
        if QUARTERED:
            left, right = halves(s, BLOCK_M, BLOCK_N)
            for half in tl.static_range(2):
                one, two = halves(right if half else left, BLOCK_M, BLOCK_N // 2)
                for quarter in tl.static_range(2):
                    part, at = two if quarter else one, start + half * (BLOCK_N // 2) + quarter * (BLOCK_N // 4)
                    a, b, c, d, e, f, n = take(
                        a, b, c, d, e, f, n, part, label, own_label, by, at, last, KIND, MOMENTS, SLOPES, COUNTED,
                        BLOCK_N // 4,
                    )  # fmt: skip
        else:
            a, b, c, d, e, f, n = take(
                a, b, c, d, e, f, n, s, label, own_label, by, start, last, KIND, MOMENTS, SLOPES, COUNTED, BLOCK_N
            )
    return a, b, c, d, e, f, n


@triton.jit
def statistics_kernel(
    anchor, positive, label, scale, alpha, part, value, saved, slope, rows, width, columns, factor, role_stride,
    row_stride, row_weight, column_weight, eps, log_eps, margin, KIND: tl.constexpr, MOMENTS: tl.constexpr,
    SLOPES: tl.constexpr, ROOT: tl.constexpr, HAS_SCALE: tl.constexpr, HAS_ALPHA: tl.constexpr, ROLE: tl.constexpr,
    BOTH: tl.constexpr, PAIRED: tl.constexpr, BLOCK_M: tl.constexpr, BLOCK_N: tl.constexpr, BLOCK_K: tl.constexpr,
    PRECISION: tl.constexpr, UP: tl.constexpr, BULK: tl.constexpr, QUARTERED: tl.constexpr,
):  # fmt: skip
    """ROLE 0 or 1: statistics of a direction over `columns` columns, with counted labels; ROLE 2: all of a loss.

    PAIRED, for `entropy`: a row belongs together with the row of its number alone, so no labels are compared.
    BULK, for a direction: the sides are descriptors, both with boxes (M, K), where M = N. QUARTERED: the tile is
    taken in some columns after the others, which takes fewer registers.
    """
    row_first = tl.program_id(0) * BLOCK_M
    row = row_first + tl.arange(0, BLOCK_M)
    row_ok = row < rows
    if ROLE == 2:
        share = 0.0
        if HAS_ALPHA:
            share = tl.load(alpha).to(tl.float32)
        by = scales(scale, row, row_ok, factor, role_stride, row_stride, 0, HAS_SCALE)
        a, b, c, d, e, f, n = scan(
            anchor, positive, label, by, row_first, 0, rows, rows, width,
            KIND, MOMENTS, SLOPES, 0, BLOCK_M, BLOCK_N, BLOCK_K, PRECISION, UP, False, False,
        )  # fmt: skip
        total = row_weight * close(
            a, b, c, d, e, f, n, by, share, saved, slope, row, row_ok, rows, eps, log_eps, margin,
            0, KIND, MOMENTS, ROOT, 0,
        )  # fmt: skip
        if BOTH:
            by = scales(scale, row, row_ok, factor, role_stride, row_stride, 1, HAS_SCALE)
            a, b, c, d, e, f, n = scan(
                positive, anchor, label, by, row_first, 0, rows, rows, width,
                KIND, MOMENTS, SLOPES, 0, BLOCK_M, BLOCK_N, BLOCK_K, PRECISION, UP, False, False,
            )  # fmt: skip
            total += column_weight * close(
                a, b, c, d, e, f, n, by, share, saved, slope, row, row_ok, rows, eps, log_eps, margin,
                1, KIND, MOMENTS, ROOT, 0,
            )  # fmt: skip
        else:
            close_unused(saved, slope, row, row_ok, rows)
        tl.store(value + row, total, mask=row_ok)
    else:
        own, other = anchor, positive
        if ROLE == 1:
            own, other = positive, anchor
        by = scales(scale, row, row_ok, factor, role_stride, row_stride, ROLE, HAS_SCALE)
        first = tl.program_id(1) * columns
        last = tl.minimum(first + columns, rows)
        a, b, c, d, e, f, n = scan(
            own, other, label, by, row_first, first, last, rows, width,
            KIND, MOMENTS, SLOPES, 1 + PAIRED, BLOCK_M, BLOCK_N, BLOCK_K, PRECISION, UP, BULK, QUARTERED,
        )  # fmt: skip
        if PAIRED:
            if tl.program_id(1) == 0:  # parts are added up
                d = by * pair_products(own, other, row_first, rows, width, BLOCK_M, BLOCK_K, BULK)
        place = part + (tl.program_id(1) * 2 + ROLE).to(tl.int64) * 7 * rows + row
        put(place, rows, row_ok, a, b, c, d, e, f, n)


@triton.jit
def merged(part, count, parts, row, row_ok, rows, ROLE: tl.constexpr, KIND: tl.constexpr, COUNTED: tl.constexpr):
    """The statistics of rows over all parts, in their order."""
    place = part + ROLE * 7 * rows + row
    a, b, c, d, e, f, n = get(place, rows, row_ok)
    for _ in range(1, parts):
        place += 2 * 7 * rows
        a2, b2, c2, d2, e2, f2, n2 = get(place, rows, row_ok)
        a, b, c, d, e, f, n = merge(a, b, c, d, e, f, n, a2, b2, c2, d2, e2, f2, n2, KIND, COUNTED)
    if COUNTED:
        n = tl.load(count + row, mask=row_ok, other=1.0)
    return a, b, c, d, e, f, n


@triton.jit
def finish_kernel(
    part, count, scale, alpha, value, saved, slope, parts, rows, factor, role_stride, row_stride, row_weight,
    column_weight, eps, log_eps, margin, KIND: tl.constexpr, MOMENTS: tl.constexpr, ROOT: tl.constexpr,
    COUNTED: tl.constexpr, HAS_SCALE: tl.constexpr, HAS_ALPHA: tl.constexpr, BOTH: tl.constexpr, BLOCK_M: tl.constexpr,
):  # fmt: skip
    """Losses from the statistics (P, 2, 7, N) of both directions."""
    row = tl.program_id(0) * BLOCK_M + tl.arange(0, BLOCK_M)
    row_ok = row < rows
    share = 0.0
    if HAS_ALPHA:
        share = tl.load(alpha).to(tl.float32)
    by = scales(scale, row, row_ok, factor, role_stride, row_stride, 0, HAS_SCALE)
    a, b, c, d, e, f, n = merged(part, count, parts, row, row_ok, rows, 0, KIND, COUNTED)
    total = row_weight * close(
        a, b, c, d, e, f, n, by, share, saved, slope, row, row_ok, rows, eps, log_eps, margin,
        0, KIND, MOMENTS, ROOT, COUNTED,
    )  # fmt: skip
    if BOTH:
        by = scales(scale, row, row_ok, factor, role_stride, row_stride, 1, HAS_SCALE)
        a, b, c, d, e, f, n = merged(part, count, parts, row, row_ok, rows, 1, KIND, COUNTED)
        total += column_weight * close(
            a, b, c, d, e, f, n, by, share, saved, slope, row, row_ok, rows, eps, log_eps, margin,
            1, KIND, MOMENTS, ROOT, COUNTED,
        )  # fmt: skip
    else:
        close_unused(saved, slope, row, row_ok, rows)
    tl.store(value + row, total, mask=row_ok)


@triton.jit
def identities_kernel(label, identity, count, rows, BLOCK_M: tl.constexpr, BLOCK_N: tl.constexpr):
    """For each row the first row with the same label, as float32, which compares faster, and how many there are."""
    row = tl.program_id(0) * BLOCK_M + tl.arange(0, BLOCK_M)
    row_ok = row < rows
    own_label = tl.load(label + row, mask=row_ok, other=0)
    first = tl.zeros((BLOCK_M,), tl.int32) + rows
    found = tl.zeros((BLOCK_M,), tl.int32)
    for start in range(0, rows, BLOCK_N):
        col = start + tl.arange(0, BLOCK_N)
        other_label = tl.load(label + col, mask=col < rows, other=0)
        same = (own_label[:, None] == other_label[None, :]) & (col < rows)[None, :]
        first = tl.minimum(first, tl.min(tl.where(same, col[None, :], rows), 1))
        found += tl.sum(same.to(tl.int32), 1)
    tl.store(identity + row, first.to(tl.float32), mask=row_ok)
    tl.store(count + row, found.to(tl.float32), mask=row_ok)
