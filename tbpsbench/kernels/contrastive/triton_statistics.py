"""Forward kernels: statistics of the rows of both directions, streamed over tiles that are never stored.

`statistics_kernel` owns a block of rows and walks over a part of the columns; each part's statistics go to a place of
their own, and `finish_kernel` merges them in a fixed order and makes losses of them. Where one part is all, the first
kernel does both directions and the rest itself: one launch.

Shapes: N pairs, D width, P parts, S numbers.
"""

# ruff: noqa: ANN001, ANN201
# mypy: disallow-untyped-defs=False, disallow-incomplete-defs=False
from __future__ import annotations


import triton
import triton.language as tl

from .triton_rows import EMPTY, LOG2E, empty, finish, merge, update


@triton.jit
def product(
    own_row,
    other,
    own,
    col,
    row_ok,
    col_ok,
    row,
    width,
    BLOCK_M: tl.constexpr,
    BLOCK_N: tl.constexpr,
    BLOCK_K: tl.constexpr,
    WHOLE: tl.constexpr,
    PRECISION: tl.constexpr,
    UP: tl.constexpr,
):
    """A tile (M, N) of products; `own_row` (M, K) are the own rows where BLOCK_K holds the whole width."""
    if WHOLE:
        other_tile = load_tile(other, col, col_ok, 0, width, BLOCK_K, UP)
        return tl.dot(own_row, tl.trans(other_tile), input_precision=PRECISION)
    else:
        total = tl.zeros((BLOCK_M, BLOCK_N), tl.float32)
        for start in range(0, width, BLOCK_K):
            own_tile = load_tile(own, row, row_ok, start, width, BLOCK_K, UP)
            other_tile = load_tile(other, col, col_ok, start, width, BLOCK_K, UP)
            total = tl.dot(own_tile, tl.trans(other_tile), total, input_precision=PRECISION)
        return total


@triton.jit
def load_tile(side, row, row_ok, start, width, BLOCK: tl.constexpr, UP: tl.constexpr):
    """Rows of one side (len(row), BLOCK) from a channel on; zeros outside."""
    channel = start + tl.arange(0, BLOCK)
    place = side + row[:, None].to(tl.int64) * width + channel[None, :]
    tile = tl.load(place, mask=row_ok[:, None] & (channel < width)[None, :], other=0.0)
    # The interpreter multiplies the bits of bfloat16 as if they were integers.
    if UP:
        tile = tile.to(tl.float32)
    return tile


@triton.jit
def scales(scale, row, row_ok, factor, role_stride, row_stride, ROLE: tl.constexpr, HAS_SCALE: tl.constexpr):
    """What multiplies the cosines of these rows, in base 2."""
    by = tl.zeros_like(row).to(tl.float32) + factor * LOG2E
    if HAS_SCALE:
        place = scale + ROLE * role_stride + row.to(tl.int64) * row_stride
        by = by * tl.load(place, mask=row_ok, other=1.0).to(tl.float32)
    return by


@triton.jit
def scan(
    own,
    other,
    label,
    by,
    row,
    row_ok,
    first,
    last,
    rows,
    width,
    KIND: tl.constexpr,
    MOMENTS: tl.constexpr,
    SLOPES: tl.constexpr,
    BLOCK_M: tl.constexpr,
    BLOCK_N: tl.constexpr,
    BLOCK_K: tl.constexpr,
    WHOLE: tl.constexpr,
    PRECISION: tl.constexpr,
    UP: tl.constexpr,
):
    """Statistics of rows over the columns `first` to `last`."""
    own_label = tl.load(label + row, mask=row_ok, other=0)
    own_row = 0
    if WHOLE:
        own_row = load_tile(own, row, row_ok, 0, width, BLOCK_K, UP)
    a, b, c, d, e, f, n = empty(BLOCK_M, KIND)
    for start in range(first, last, BLOCK_N):
        col = start + tl.arange(0, BLOCK_N)
        col_ok = col < last
        s = product(own_row, other, own, col, row_ok, col_ok, row, width, BLOCK_M, BLOCK_N, BLOCK_K, WHOLE, PRECISION, UP)
        other_label = tl.load(label + col, mask=col_ok, other=0)
        same = own_label[:, None] == other_label[None, :]
        a, b, c, d, e, f, n = update(a, b, c, d, e, f, n, s * by[:, None], same, col_ok[None, :], col, KIND, MOMENTS, SLOPES)
    return a, b, c, d, e, f, n


@triton.jit
def close(
    a,
    b,
    c,
    d,
    e,
    f,
    n,
    scale,
    share,
    saved,
    slope,
    row,
    row_ok,
    rows,
    eps,
    log_eps,
    margin,
    ROLE: tl.constexpr,
    KIND: tl.constexpr,
    MOMENTS: tl.constexpr,
    ROOT: tl.constexpr,
):
    """Losses of rows; what is kept of them is stored."""
    value, by_scale, first, second, third, fourth = finish(a, b, c, d, e, f, n, scale, share, eps, log_eps, margin, KIND, MOMENTS, ROOT)
    keep = saved + ROLE * 4 * rows + row
    tl.store(keep, first, mask=row_ok)
    tl.store(keep + rows, second, mask=row_ok)
    tl.store(keep + 2 * rows, third, mask=row_ok)
    tl.store(keep + 3 * rows, fourth, mask=row_ok)
    tl.store(slope + ROLE * rows + row, by_scale, mask=row_ok)
    return value


@triton.jit
def close_unused(saved, slope, row, row_ok, rows):
    """What is kept of the second direction where a loss has only the first: nothing that weighs."""
    nothing = tl.zeros_like(row).to(tl.float32)
    keep = saved + 4 * rows + row
    tl.store(keep, nothing + EMPTY, mask=row_ok)
    tl.store(keep + rows, nothing, mask=row_ok)
    tl.store(keep + 2 * rows, nothing, mask=row_ok)
    tl.store(keep + 3 * rows, nothing, mask=row_ok)
    tl.store(slope + rows + row, nothing, mask=row_ok)


@triton.jit
def statistics_kernel(
    anchor,
    positive,
    label,
    scale,
    alpha,
    part,
    value,
    saved,
    slope,
    rows,
    width,
    columns,
    factor,
    role_stride,
    row_stride,
    row_weight,
    column_weight,
    eps,
    log_eps,
    margin,
    KIND: tl.constexpr,
    MOMENTS: tl.constexpr,
    SLOPES: tl.constexpr,
    ROOT: tl.constexpr,
    HAS_SCALE: tl.constexpr,
    HAS_ALPHA: tl.constexpr,
    ROLE: tl.constexpr,
    BOTH: tl.constexpr,
    BLOCK_M: tl.constexpr,
    BLOCK_N: tl.constexpr,
    BLOCK_K: tl.constexpr,
    WHOLE: tl.constexpr,
    PRECISION: tl.constexpr,
    UP: tl.constexpr,
):
    """ROLE 0 or 1: the statistics of a direction over `columns` columns; ROLE 2: all of a loss."""
    row = tl.program_id(0) * BLOCK_M + tl.arange(0, BLOCK_M)
    row_ok = row < rows
    if ROLE == 2:
        share = 0.0
        if HAS_ALPHA:
            share = tl.load(alpha).to(tl.float32)
        by = scales(scale, row, row_ok, factor, role_stride, row_stride, 0, HAS_SCALE)
        a, b, c, d, e, f, n = scan(
            anchor, positive, label, by, row, row_ok, 0, rows, rows, width,
            KIND, MOMENTS, SLOPES, BLOCK_M, BLOCK_N, BLOCK_K, WHOLE, PRECISION, UP,
        )
        total = row_weight * close(
            a, b, c, d, e, f, n, by, share, saved, slope, row, row_ok, rows, eps, log_eps, margin,
            0, KIND, MOMENTS, ROOT,
        )
        if BOTH:
            by = scales(scale, row, row_ok, factor, role_stride, row_stride, 1, HAS_SCALE)
            a, b, c, d, e, f, n = scan(
                positive, anchor, label, by, row, row_ok, 0, rows, rows, width,
                KIND, MOMENTS, SLOPES, BLOCK_M, BLOCK_N, BLOCK_K, WHOLE, PRECISION, UP,
            )
            total += column_weight * close(
                a, b, c, d, e, f, n, by, share, saved, slope, row, row_ok, rows, eps, log_eps, margin,
                1, KIND, MOMENTS, ROOT,
            )
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
            own, other, label, by, row, row_ok, first, last, rows, width,
            KIND, MOMENTS, SLOPES, BLOCK_M, BLOCK_N, BLOCK_K, WHOLE, PRECISION, UP,
        )
        place = part + (tl.program_id(1) * 2 + ROLE).to(tl.int64) * 7 * rows + row
        put(place, rows, row_ok, a, b, c, d, e, f, n)


@triton.jit
def put(place, rows, row_ok, a, b, c, d, e, f, n):
    """Store the statistics of rows, each `rows` numbers behind the last."""
    tl.store(place, a, mask=row_ok)
    tl.store(place + rows, b, mask=row_ok)
    tl.store(place + 2 * rows, c, mask=row_ok)
    tl.store(place + 3 * rows, d, mask=row_ok)
    tl.store(place + 4 * rows, e, mask=row_ok)
    tl.store(place + 5 * rows, f, mask=row_ok)
    tl.store(place + 6 * rows, n, mask=row_ok)


@triton.jit
def get(place, rows, row_ok):
    """The reverse of `put`."""
    return (
        tl.load(place, mask=row_ok, other=0.0),
        tl.load(place + rows, mask=row_ok, other=0.0),
        tl.load(place + 2 * rows, mask=row_ok, other=0.0),
        tl.load(place + 3 * rows, mask=row_ok, other=0.0),
        tl.load(place + 4 * rows, mask=row_ok, other=0.0),
        tl.load(place + 5 * rows, mask=row_ok, other=0.0),
        tl.load(place + 6 * rows, mask=row_ok, other=0.0),
    )


@triton.jit
def merged(part, parts, row, row_ok, rows, ROLE: tl.constexpr, KIND: tl.constexpr):
    """The statistics of rows over all parts, in their order."""
    place = part + ROLE * 7 * rows + row
    a, b, c, d, e, f, n = get(place, rows, row_ok)
    for _ in range(1, parts):
        place += 2 * 7 * rows
        a2, b2, c2, d2, e2, f2, n2 = get(place, rows, row_ok)
        a, b, c, d, e, f, n = merge(a, b, c, d, e, f, n, a2, b2, c2, d2, e2, f2, n2, KIND)
    return a, b, c, d, e, f, n


@triton.jit
def finish_kernel(
    part,
    scale,
    alpha,
    value,
    saved,
    slope,
    parts,
    rows,
    factor,
    role_stride,
    row_stride,
    row_weight,
    column_weight,
    eps,
    log_eps,
    margin,
    KIND: tl.constexpr,
    MOMENTS: tl.constexpr,
    ROOT: tl.constexpr,
    HAS_SCALE: tl.constexpr,
    HAS_ALPHA: tl.constexpr,
    BOTH: tl.constexpr,
    BLOCK_M: tl.constexpr,
):
    """Losses from the statistics (P, 2, 7, N) of both directions."""
    row = tl.program_id(0) * BLOCK_M + tl.arange(0, BLOCK_M)
    row_ok = row < rows
    share = 0.0
    if HAS_ALPHA:
        share = tl.load(alpha).to(tl.float32)
    by = scales(scale, row, row_ok, factor, role_stride, row_stride, 0, HAS_SCALE)
    a, b, c, d, e, f, n = merged(part, parts, row, row_ok, rows, 0, KIND)
    total = row_weight * close(
        a, b, c, d, e, f, n, by, share, saved, slope, row, row_ok, rows, eps, log_eps, margin, 0, KIND, MOMENTS, ROOT
    )
    if BOTH:
        by = scales(scale, row, row_ok, factor, role_stride, row_stride, 1, HAS_SCALE)
        a, b, c, d, e, f, n = merged(part, parts, row, row_ok, rows, 1, KIND)
        total += column_weight * close(
            a, b, c, d, e, f, n, by, share, saved, slope, row, row_ok, rows, eps, log_eps, margin, 1, KIND, MOMENTS, ROOT
        )
    else:
        close_unused(saved, slope, row, row_ok, rows)
    tl.store(value + row, total, mask=row_ok)
