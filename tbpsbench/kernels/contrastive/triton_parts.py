"""Pieces that the Triton kernels share: tiles of features and of products, scales of rows, what is stored of rows."""

# ruff: noqa: ANN001, ANN201
# mypy: disallow-untyped-defs=False, disallow-incomplete-defs=False
from __future__ import annotations

import triton
import triton.language as tl

from .triton_rows import EMPTY, LN2, LOG2E, finish, prepare


@triton.jit
def load_tile(side, first, last, start, width, ROWS: tl.constexpr, BLOCK: tl.constexpr, UP: tl.constexpr):
    """Rows `first` to below `last` of one side (ROWS, BLOCK) from a channel on; zeros outside."""
    lane = tl.arange(0, ROWS)
    channel = start + tl.arange(0, BLOCK)
    # One 64-bit place for the tile, 32-bit ones within: fewer registers.
    place = side + tl.cast(first, tl.int64) * width + (lane[:, None] * width + channel[None, :])
    tile = tl.load(place, mask=(first + lane < last)[:, None] & (channel < width)[None, :], other=0.0)
    # The interpreter multiplies the bits of bfloat16 as if they were integers.
    if UP:
        tile = tile.to(tl.float32)
    return tile


@triton.jit
def load_box(side, first, start, UP: tl.constexpr):
    """The same by a descriptor, whose box has the tile's size: one thread copies it in bulk, and none holds places."""
    tile = side.load([first, start])
    if UP:
        tile = tile.to(tl.float32)
    return tile


@triton.jit
def product(
    own, other, own_first, other_first, own_last, other_last, width,
    BLOCK_M: tl.constexpr, BLOCK_N: tl.constexpr, BLOCK_K: tl.constexpr, PRECISION: tl.constexpr, UP: tl.constexpr,
    BULK: tl.constexpr,
):  # fmt: skip
    """A tile (M, N) of products, some channels at a time. BULK: the sides are descriptors, not pointers."""
    total = tl.zeros((BLOCK_M, BLOCK_N), tl.float32)
    for start in range(0, width, BLOCK_K):
        if BULK:
            own_tile = load_box(own, own_first, start, UP)
            other_tile = load_box(other, other_first, start, UP)
        else:
            own_tile = load_tile(own, own_first, own_last, start, width, BLOCK_M, BLOCK_K, UP)
            other_tile = load_tile(other, other_first, other_last, start, width, BLOCK_N, BLOCK_K, UP)
        total = tl.dot(own_tile, tl.trans(other_tile), total, input_precision=PRECISION)
    return total


@triton.jit
def halves(tile, M: tl.constexpr, N: tl.constexpr):
    """The left and the right half of the columns."""
    return tl.split(tl.permute(tl.reshape(tile, (M, 2, N // 2)), (0, 2, 1)))


@triton.jit
def pair_products(
    own, other, first, last, width, BLOCK_M: tl.constexpr, BLOCK_K: tl.constexpr, BULK: tl.constexpr
):  # fmt: skip
    """The products (M,) of rows with the rows of the same number. BULK: boxes of both sides have M rows."""
    total = tl.zeros((BLOCK_M,), tl.float32)
    for start in range(0, width, BLOCK_K):
        if BULK:
            own_tile, other_tile = load_box(own, first, start, True), load_box(other, first, start, True)
        else:
            own_tile = load_tile(own, first, last, start, width, BLOCK_M, BLOCK_K, True)
            other_tile = load_tile(other, first, last, start, width, BLOCK_M, BLOCK_K, True)
        total += tl.sum(own_tile * other_tile, 1)
    return total


@triton.jit
def scales(scale, row, row_ok, factor, role_stride, row_stride, ROLE: tl.constexpr, HAS_SCALE: tl.constexpr):
    """What multiplies the cosines of these rows, in base 2."""
    by = tl.zeros_like(row).to(tl.float32) + factor * LOG2E
    if HAS_SCALE:
        place = scale + ROLE * role_stride + row * row_stride
        by = by * tl.load(place, mask=row_ok, other=1.0).to(tl.float32)
    return by


@triton.jit
def put(
    place, rows, row_ok, a, b, c, d, e, f, n, KIND: tl.constexpr, MOMENTS: tl.constexpr, SLOPES: tl.constexpr,
    COUNTED: tl.constexpr,
):  # fmt: skip
    """Store the statistics of rows that their kind has, `rows` numbers apart."""
    tl.store(place, a, mask=row_ok)
    tl.store(place + rows, b, mask=row_ok)
    if KIND != "entropy" or MOMENTS:
        tl.store(place + 2 * rows, c, mask=row_ok)
    if KIND != "entropy" or COUNTED < 2:
        tl.store(place + 3 * rows, d, mask=row_ok)
    if KIND != "entropy" and (KIND != "divergence" or SLOPES):
        tl.store(place + 4 * rows, e, mask=row_ok)
    if KIND == "divergence" and SLOPES:
        tl.store(place + 5 * rows, f, mask=row_ok)
    if COUNTED == 0:
        tl.store(place + 6 * rows, n, mask=row_ok)


@triton.jit
def get(
    place, rows, row_ok, KIND: tl.constexpr, MOMENTS: tl.constexpr, SLOPES: tl.constexpr, COUNTED: tl.constexpr
):  # fmt: skip
    """The reverse of `put`; what is not stored is 0."""
    a = tl.load(place, mask=row_ok, other=0.0)
    b = tl.load(place + rows, mask=row_ok, other=0.0)
    c, d, e, f, n = tl.zeros_like(a), tl.zeros_like(a), tl.zeros_like(a), tl.zeros_like(a), tl.zeros_like(a)
    if KIND != "entropy" or MOMENTS:
        c = tl.load(place + 2 * rows, mask=row_ok, other=0.0)
    if KIND != "entropy" or COUNTED < 2:
        d = tl.load(place + 3 * rows, mask=row_ok, other=0.0)
    if KIND != "entropy" and (KIND != "divergence" or SLOPES):
        e = tl.load(place + 4 * rows, mask=row_ok, other=0.0)
    if KIND == "divergence" and SLOPES:
        f = tl.load(place + 5 * rows, mask=row_ok, other=0.0)
    if COUNTED == 0:
        n = tl.load(place + 6 * rows, mask=row_ok, other=0.0)
    return a, b, c, d, e, f, n


@triton.jit
def keep(saved, row, row_ok, rows, first, second, third, fourth, ROLE: tl.constexpr):
    """Store the four numbers that the backward pass needs of rows."""
    place = saved + ROLE * 4 * rows + row
    tl.store(place, first, mask=row_ok)
    tl.store(place + rows, second, mask=row_ok)
    tl.store(place + 2 * rows, third, mask=row_ok)
    tl.store(place + 3 * rows, fourth, mask=row_ok)


@triton.jit
def close(
    a, b, c, d, e, f, n, scale, share, saved, slope, row, row_ok, rows, eps, log_eps, margin,
    ROLE: tl.constexpr, KIND: tl.constexpr, MOMENTS: tl.constexpr, ROOT: tl.constexpr, COUNTED: tl.constexpr,
):  # fmt: skip
    """Losses of rows; what is kept of them is stored."""
    value, by_scale, first, second, third, fourth = finish(
        a, b, c, d, e, f, n, scale, share, eps, log_eps, margin, KIND, MOMENTS, ROOT, COUNTED
    )
    keep(saved, row, row_ok, rows, first, second, third, fourth, ROLE)
    tl.store(slope + ROLE * rows + row, by_scale, mask=row_ok)
    return value


@triton.jit
def close_unused(saved, slope, row, row_ok, rows):
    """What is kept of the second direction where a loss has only the first: nothing that weighs."""
    nothing = tl.zeros_like(row).to(tl.float32)
    keep(saved, row, row_ok, rows, nothing + EMPTY, nothing, nothing, nothing, 1)
    tl.store(slope + rows + row, nothing, mask=row_ok)


@triton.jit
def arriving(
    saved, grad, scale, row, row_ok, rows, factor, role_stride, row_stride, weight,
    ROLE: tl.constexpr, KIND: tl.constexpr, HAS_SCALE: tl.constexpr,
):  # fmt: skip
    """Of rows: what multiplies their cosines, in base 2, and the numbers that `weigh` takes."""
    by = scales(scale, row, row_ok, factor, role_stride, row_stride, ROLE, HAS_SCALE)
    u = weight * tl.load(grad + row, mask=row_ok, other=0.0)
    if KIND == "entropy" or KIND == "divergence":
        u = u * by * LN2
    place = saved + ROLE * 4 * rows + row
    first = tl.load(place, mask=row_ok, other=0.0)
    second = tl.load(place + rows, mask=row_ok, other=0.0)
    third = tl.load(place + 2 * rows, mask=row_ok, other=0.0)
    fourth = tl.load(place + 3 * rows, mask=row_ok, other=0.0)
    first, second, third, fourth = prepare(first, second, third, fourth, u, KIND)
    return by, first, second, third, fourth
