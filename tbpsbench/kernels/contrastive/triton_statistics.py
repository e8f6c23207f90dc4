"""Forward kernels: statistics of the rows of both directions, streamed over tiles that are never stored.

`statistics_kernel` owns a block of rows and walks over a part of the columns; each part's statistics go to a place of
their own, and `finish_kernel` merges them in a fixed order and makes losses of them. For a small batch the first kernel
does both directions and the rest itself: one launch. With ROLE 3 one pass makes the statistics of both directions: a
tile is multiplied once and taken in by its rows and by its columns.

Shapes: N pairs, P parts of the columns, Q blocks of rows of a band.
"""

# ruff: noqa: ANN001, ANN201, SIM102
# mypy: disallow-untyped-defs=False, disallow-incomplete-defs=False
from __future__ import annotations

import triton
import triton.language as tl

from .triton_parts import close, close_unused, get, halves, pair_products, product, put, scales
from .triton_rows import LOG2E, NEVER, empty, merge, update


@triton.jit
def take(
    a, b, c, d, e, f, n, s, same, by, ok, index, KIND: tl.constexpr, MOMENTS: tl.constexpr, SLOPES: tl.constexpr,
    COUNTED: tl.constexpr,
):  # fmt: skip
    """Take cosines of rows that are owned with entries of number `index`, of which those exist that are `ok`."""
    y = s * by[:, None]
    if COUNTED:
        # Cosines of what does not exist are 0.
        y += tl.where(ok, 0.0, NEVER)[None, :]
    return update(a, b, c, d, e, f, n, y, same, ok[None, :], index, KIND, MOMENTS, SLOPES, COUNTED)


@triton.jit
def take_columns(
    a, b, c, d, e, f, n, s, own_label, row, row_ok, by, label, first, last, rows, across, by_all, scale, factor,
    role_stride, row_stride, KIND: tl.constexpr, MOMENTS: tl.constexpr, SLOPES: tl.constexpr, COUNTED: tl.constexpr,
    ACROSS: tl.constexpr, PER_ROW: tl.constexpr, BLOCK_N: tl.constexpr,
):  # fmt: skip
    """Take columns of a tile, from `first` on, into the statistics; ACROSS: store those of the columns, too."""
    col = first + tl.arange(0, BLOCK_N)
    col_ok = col < last
    # A label that was counted is not below 0.
    other_label = tl.load(label + col, mask=col_ok, other=-1 if COUNTED else 0)
    same = own_label[:, None] == other_label[None, :]
    a, b, c, d, e, f, n = take(a, b, c, d, e, f, n, s, same, by, col_ok, col, KIND, MOMENTS, SLOPES, COUNTED)
    if ACROSS:
        if PER_ROW:
            col_by = scales(scale, col, col_ok, factor, role_stride, row_stride, 1, True)
        else:
            col_by = tl.zeros((BLOCK_N,), tl.float32) + by_all
        a2, b2, c2, d2, e2, f2, n2 = empty(BLOCK_N, KIND)
        a2, b2, c2, d2, e2, f2, n2 = take(
            a2, b2, c2, d2, e2, f2, n2, tl.trans(s), tl.trans(same), col_by, row_ok, row, KIND, MOMENTS, SLOPES, COUNTED
        )
        put(across + col, rows, col_ok, a2, b2, c2, d2, e2, f2, n2, KIND, MOMENTS, SLOPES, COUNTED)
    return a, b, c, d, e, f, n


@triton.jit
def scan(
    own, other, label, own_label, by, row_first, first, last, rows, width, across, by_all, scale, factor, role_stride,
    row_stride, KIND: tl.constexpr, MOMENTS: tl.constexpr, SLOPES: tl.constexpr, COUNTED: tl.constexpr,
    ACROSS: tl.constexpr, PER_ROW: tl.constexpr, BLOCK_M: tl.constexpr, BLOCK_N: tl.constexpr, BLOCK_K: tl.constexpr,
    PRECISION: tl.constexpr, UP: tl.constexpr, BULK: tl.constexpr, SPLIT: tl.constexpr, FLAT: tl.constexpr,
):  # fmt: skip
    """Statistics of a block of rows over the columns `first` to below `last`."""
    row = row_first + tl.arange(0, BLOCK_M)
    row_ok = row < rows
    a, b, c, d, e, f, n = empty(BLOCK_M, KIND)
    for start in tl.range(first, last, BLOCK_N, flatten=FLAT):
        s = product(own, other, row_first, start, rows, last, width, BLOCK_M, BLOCK_N, BLOCK_K, PRECISION, UP, BULK)
        if SPLIT == 1:
            a, b, c, d, e, f, n = take_columns(
                a, b, c, d, e, f, n, s, own_label, row, row_ok, by, label, start, last, rows, across, by_all, scale,
                factor, role_stride, row_stride, KIND, MOMENTS, SLOPES, COUNTED, ACROSS, PER_ROW, BLOCK_N,
            )  # fmt: skip
        else:
            left, right = halves(s, BLOCK_M, BLOCK_N)
            for half in tl.static_range(2):
                part, at = right if half else left, start + half * (BLOCK_N // 2)
                if SPLIT == 2:
                    a, b, c, d, e, f, n = take_columns(
                        a, b, c, d, e, f, n, part, own_label, row, row_ok, by, label, at, last, rows, across, by_all,
                        scale, factor, role_stride, row_stride, KIND, MOMENTS, SLOPES, COUNTED, ACROSS, PER_ROW,
                        BLOCK_N // 2,
                    )  # fmt: skip
                else:
                    one, two = halves(part, BLOCK_M, BLOCK_N // 2)
                    for quarter in tl.static_range(2):
                        a, b, c, d, e, f, n = take_columns(
                            a, b, c, d, e, f, n, two if quarter else one, own_label, row, row_ok, by, label,
                            at + quarter * (BLOCK_N // 4), last, rows, across, by_all, scale, factor, role_stride,
                            row_stride, KIND, MOMENTS, SLOPES, COUNTED, ACROSS, PER_ROW, BLOCK_N // 4,
                        )  # fmt: skip
    return a, b, c, d, e, f, n


@triton.jit
def statistics_kernel(
    anchor, positive, label, scale, alpha, part, across, value, saved, slope, begin, rows, width, columns, factor,
    role_stride, row_stride, row_weight, column_weight, eps, log_eps, margin, KIND: tl.constexpr,
    MOMENTS: tl.constexpr, SLOPES: tl.constexpr, ROOT: tl.constexpr, HAS_SCALE: tl.constexpr, HAS_ALPHA: tl.constexpr,
    ROLE: tl.constexpr, BOTH: tl.constexpr, PAIRED: tl.constexpr, PER_ROW: tl.constexpr, BLOCK_M: tl.constexpr,
    BLOCK_N: tl.constexpr, BLOCK_K: tl.constexpr, PRECISION: tl.constexpr, UP: tl.constexpr, BULK: tl.constexpr,
    SPLIT: tl.constexpr, FLAT: tl.constexpr,
):  # fmt: skip
    """ROLE 0 or 1: statistics of a direction over `columns` columns, with counted labels; ROLE 2: all of a loss.

    ROLE 3: the statistics of rows from `begin` on, as with ROLE 0, and in `across` (Q, 7, N) those of the columns over
    each block of rows.

    PAIRED, for `entropy`: a row belongs together with the row of its number alone, so no labels are compared; d of rows
    is the cosine of a pair then, and the first part has it. BULK, but for ROLE 2: the sides are descriptors, both with
    boxes (M, K), where M = N. SPLIT: a tile is taken in so many parts of its columns, one after the other, which takes
    fewer registers. FLAT: as in `tiles.Way`.
    """
    row_first = tl.program_id(0) * BLOCK_M
    if ROLE == 3:
        row_first += begin
    row = row_first + tl.arange(0, BLOCK_M)
    row_ok = row < rows
    by_all = factor * LOG2E
    if ROLE == 2:
        own_label = tl.load(label + row, mask=row_ok, other=0)
        share = 0.0
        if HAS_ALPHA:
            share = tl.load(alpha).to(tl.float32)
        by = scales(scale, row, row_ok, factor, role_stride, row_stride, 0, HAS_SCALE)
        a, b, c, d, e, f, n = scan(
            anchor, positive, label, own_label, by, row_first, 0, rows, rows, width, across, by_all, scale, factor,
            role_stride, row_stride, KIND, MOMENTS, SLOPES, 0, False, False, BLOCK_M, BLOCK_N, BLOCK_K, PRECISION, UP,
            False, 1, False,
        )  # fmt: skip
        total = row_weight * close(
            a, b, c, d, e, f, n, by, share, saved, slope, row, row_ok, rows, eps, log_eps, margin,
            0, KIND, MOMENTS, ROOT, 0,
        )  # fmt: skip
        if BOTH:
            # Loaded again: it takes no registers between the directions.
            own_label = tl.load(label + row, mask=row_ok, other=0)
            by = scales(scale, row, row_ok, factor, role_stride, row_stride, 1, HAS_SCALE)
            a, b, c, d, e, f, n = scan(
                positive, anchor, label, own_label, by, row_first, 0, rows, rows, width, across, by_all, scale, factor,
                role_stride, row_stride, KIND, MOMENTS, SLOPES, 0, False, False, BLOCK_M, BLOCK_N, BLOCK_K, PRECISION,
                UP, False, 1, False,
            )  # fmt: skip
            total += column_weight * close(
                a, b, c, d, e, f, n, by, share, saved, slope, row, row_ok, rows, eps, log_eps, margin,
                1, KIND, MOMENTS, ROOT, 0,
            )  # fmt: skip
        else:
            close_unused(saved, slope, row, row_ok, rows)
        tl.store(value + row, total, mask=row_ok)
    else:
        COUNTED: tl.constexpr = 1 + PAIRED
        own, other = anchor, positive
        if ROLE == 1:
            own, other = positive, anchor
        own_label = tl.load(label + row, mask=row_ok, other=-1)
        by = scales(scale, row, row_ok, factor, role_stride, row_stride, ROLE % 3, HAS_SCALE)
        if ROLE == 3:
            across += tl.program_id(0).to(tl.int64) * 7 * rows
            if HAS_SCALE and not PER_ROW:
                by_all = by_all * tl.load(scale).to(tl.float32)
        first = tl.program_id(1) * columns
        last = tl.minimum(first + columns, rows)
        a, b, c, d, e, f, n = scan(
            own, other, label, own_label, by, row_first, first, last, rows, width, across, by_all, scale, factor,
            role_stride, row_stride, KIND, MOMENTS, SLOPES, COUNTED, ROLE == 3, PER_ROW, BLOCK_M, BLOCK_N, BLOCK_K,
            PRECISION, UP, BULK, SPLIT, FLAT,
        )  # fmt: skip
        place = part + tl.program_id(1).to(tl.int64) * 7 * rows + row
        put(place, rows, row_ok, a, b, c, d, e, f, n, KIND, MOMENTS, SLOPES, COUNTED)
        if PAIRED and ROLE != 1:
            if tl.program_id(1) == 0:
                d = pair_products(own, other, row_first, rows, width, BLOCK_M, BLOCK_K, BULK)
                tl.store(place + 3 * rows, d, mask=row_ok)


@triton.jit
def merged(
    part, parts, row, row_ok, rows, KIND: tl.constexpr, MOMENTS: tl.constexpr, SLOPES: tl.constexpr,
    COUNTED: tl.constexpr,
):  # fmt: skip
    """The statistics of rows over all parts, in their order."""
    place = part + row
    a, b, c, d, e, f, n = get(place, rows, row_ok, KIND, MOMENTS, SLOPES, COUNTED)
    for _ in range(1, parts):
        place += 7 * rows
        a2, b2, c2, d2, e2, f2, n2 = get(place, rows, row_ok, KIND, MOMENTS, SLOPES, COUNTED)
        a, b, c, d, e, f, n = merge(a, b, c, d, e, f, n, a2, b2, c2, d2, e2, f2, n2, KIND, COUNTED)
    return a, b, c, d, e, f, n


@triton.jit
def band_kernel(
    across, total, blocks, rows, KIND: tl.constexpr, MOMENTS: tl.constexpr, SLOPES: tl.constexpr,
    COUNTED: tl.constexpr, FIRST: tl.constexpr, BLOCK_N: tl.constexpr,
):  # fmt: skip
    """Add the statistics of columns over the blocks of a band, `across` (Q, 7, N), to those of the bands before it."""
    col = tl.program_id(0) * BLOCK_N + tl.arange(0, BLOCK_N)
    ok = col < rows
    a, b, c, d, e, f, n = merged(across, blocks, col, ok, rows, KIND, MOMENTS, SLOPES, COUNTED)
    if not FIRST:
        a2, b2, c2, d2, e2, f2, n2 = a, b, c, d, e, f, n
        a, b, c, d, e, f, n = get(total + col, rows, ok, KIND, MOMENTS, SLOPES, COUNTED)
        a, b, c, d, e, f, n = merge(a, b, c, d, e, f, n, a2, b2, c2, d2, e2, f2, n2, KIND, COUNTED)
    put(total + col, rows, ok, a, b, c, d, e, f, n, KIND, MOMENTS, SLOPES, COUNTED)


@triton.jit
def finish_kernel(
    part, across, count, scale, alpha, value, saved, slope, parts, blocks, rows, factor, role_stride, row_stride,
    row_weight, column_weight, eps, log_eps, margin, KIND: tl.constexpr, MOMENTS: tl.constexpr, SLOPES: tl.constexpr,
    ROOT: tl.constexpr, COUNTED: tl.constexpr, HAS_SCALE: tl.constexpr, HAS_ALPHA: tl.constexpr, BOTH: tl.constexpr,
    BLOCK_M: tl.constexpr,
):  # fmt: skip
    """Losses from the statistics of both directions, `part` (P, 7, N) and `across` (Q, 7, N)."""
    row = tl.program_id(0) * BLOCK_M + tl.arange(0, BLOCK_M)
    row_ok = row < rows
    share = 0.0
    if HAS_ALPHA:
        share = tl.load(alpha).to(tl.float32)
    by = scales(scale, row, row_ok, factor, role_stride, row_stride, 0, HAS_SCALE)
    a, b, c, d, e, f, n = merged(part, parts, row, row_ok, rows, KIND, MOMENTS, SLOPES, COUNTED)
    if COUNTED:
        n = tl.load(count + row, mask=row_ok, other=1.0)
    if COUNTED == 2:
        d = by * tl.load(part + 3 * rows + row, mask=row_ok, other=0.0)
    total = row_weight * close(
        a, b, c, d, e, f, n, by, share, saved, slope, row, row_ok, rows, eps, log_eps, margin,
        0, KIND, MOMENTS, ROOT, COUNTED,
    )  # fmt: skip
    if BOTH:
        by = scales(scale, row, row_ok, factor, role_stride, row_stride, 1, HAS_SCALE)
        a, b, c, d, e, f, n = merged(across, blocks, row, row_ok, rows, KIND, MOMENTS, SLOPES, COUNTED)
        if COUNTED:
            n = tl.load(count + row, mask=row_ok, other=1.0)
        if COUNTED == 2:
            d = by * tl.load(part + 3 * rows + row, mask=row_ok, other=0.0)
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
