"""The batch-hard triplet loss in Triton: mining and cost in one pass over tiles, a gradient that owns its rows.

`hardest_kernel`: a program owns some anchors, streams over all rows, and keeps each anchor's farthest positive and
nearest negative with their places; the matrix of distances never exists. It then takes the two distances that count
from the differences of the rows themselves. `gradient_kernel`: a program owns one row and looks up, in order, where it
was an anchor, a positive or a negative. No atomics: the same bits in every run.

Shapes: N rows, D width.
"""

# ruff: noqa: ANN001, ANN201
# mypy: disallow-untyped-defs=False, disallow-incomplete-defs=False
from __future__ import annotations

import triton
import triton.language as tl

from ..triton_rounding import precision, rounded


@triton.jit
def squared_distance(x_ptr, row, other, kept, width, stride, BLOCK_M: tl.constexpr, BLOCK_K: tl.constexpr):
    """Of each row to another one, from the differences."""
    found = tl.zeros((BLOCK_M, BLOCK_K), tl.float32)
    for start in range(0, width, BLOCK_K):
        col = start + tl.arange(0, BLOCK_K)
        mask = kept[:, None] & (col < width)[None, :]
        a = tl.load(x_ptr + row.to(tl.int64)[:, None] * stride + col[None, :], mask=mask, other=0.0)
        b = tl.load(x_ptr + other.to(tl.int64)[:, None] * stride + col[None, :], mask=mask, other=0.0)
        difference = a.to(tl.float32) - b.to(tl.float32)
        found += difference * difference
    return tl.sum(found, 1)


@triton.jit
def hardest_kernel(x_ptr, centred_ptr, length_ptr, label_ptr, cost_ptr, positive_ptr, negative_ptr, valid_ptr, rows,
                   width, stride, margin, BLOCK_M: tl.constexpr, BLOCK_N: tl.constexpr, BLOCK_K: tl.constexpr,
                   DOT: tl.constexpr, UP: tl.constexpr):  # fmt: skip
    """For each anchor: cost (N,), the two rows that it depends on (N,) or -1, whether it has both (N,)."""
    row = tl.program_id(0) * BLOCK_M + tl.arange(0, BLOCK_M)
    kept = row < rows
    label = tl.load(label_ptr + row, mask=kept, other=0)
    length = tl.load(length_ptr + row, mask=kept, other=0.0)
    far = tl.full((BLOCK_M,), -1.0, tl.float32)
    near = tl.full((BLOCK_M,), float("inf"), tl.float32)
    positive = tl.full((BLOCK_M,), -1, tl.int32)
    negative = tl.full((BLOCK_M,), -1, tl.int32)
    for first in range(0, rows, BLOCK_N):
        col = first + tl.arange(0, BLOCK_N)
        inside = col < rows
        product = tl.zeros((BLOCK_M, BLOCK_N), tl.float32)
        for start in range(0, width, BLOCK_K):
            k = start + tl.arange(0, BLOCK_K)
            in_k = k < width
            mask = kept[:, None] & in_k[None, :]
            a = tl.load(centred_ptr + row.to(tl.int64)[:, None] * width + k[None, :], mask=mask, other=0.0)
            mask = inside[:, None] & in_k[None, :]
            b = tl.load(centred_ptr + col.to(tl.int64)[:, None] * width + k[None, :], mask=mask, other=0.0)
            if UP:
                a, b = a.to(tl.float32), b.to(tl.float32)
            product = tl.dot(a, tl.trans(b), product, input_precision=precision(DOT))
        other = tl.load(length_ptr + col, mask=inside, other=0.0)
        distance = tl.maximum(length[:, None] + other[None, :] - 2.0 * product, 0.0)
        same = label[:, None] == tl.load(label_ptr + col, mask=inside, other=0)[None, :]
        mask = same & inside[None, :] & (row[:, None] != col[None, :])
        value, place = tl.max(tl.where(mask, distance, -1.0), 1, return_indices=True)
        positive = tl.where(value > far, first + place, positive)
        far = tl.maximum(far, value)
        value, place = tl.min(tl.where(~same & inside[None, :], distance, float("inf")), 1, return_indices=True)
        negative = tl.where(value < near, first + place, negative)
        near = tl.minimum(near, value)
    both = kept & (positive >= 0) & (negative >= 0)
    far = squared_distance(x_ptr, row, tl.maximum(positive, 0), both, width, stride, BLOCK_M, BLOCK_K)
    near = squared_distance(x_ptr, row, tl.maximum(negative, 0), both, width, stride, BLOCK_M, BLOCK_K)
    cost = far - near + margin
    active = both & (cost > 0.0)
    tl.store(cost_ptr + row, tl.where(active, cost, 0.0), mask=kept)
    tl.store(positive_ptr + row, tl.where(active, positive, -1), mask=kept)
    tl.store(negative_ptr + row, tl.where(active, negative, -1), mask=kept)
    tl.store(valid_ptr + row, both.to(tl.int8), mask=kept)


@triton.jit
def mean_kernel(cost_ptr, valid_ptr, length_ptr, value_ptr, share_ptr, rows, BLOCK: tl.constexpr):
    """The mean over the valid anchors, and what one of them has in it; by one program.

    Lengths are NaN where a feature anywhere is, and infinite where they overflow: so is the mean then.
    """
    at = tl.arange(0, BLOCK)
    total = tl.zeros((BLOCK,), tl.float64)
    count = tl.zeros((BLOCK,), tl.int32)
    for start in range(0, rows, BLOCK):
        mask = start + at < rows
        cost = tl.load(cost_ptr + start + at, mask=mask, other=0.0)
        total += (cost + 0.0 * tl.load(length_ptr + start + at, mask=mask, other=0.0)).to(tl.float64)
        count += tl.load(valid_ptr + start + at, mask=mask, other=0).to(tl.int32)
    share = 1.0 / tl.maximum(tl.sum(count, 0), 1).to(tl.float64)
    tl.store(value_ptr, (tl.sum(total, 0) * share).to(tl.float32))
    tl.store(share_ptr, share.to(tl.float32))


@triton.jit
def gradient_kernel(grad_ptr, share_ptr, x_ptr, positive_ptr, negative_ptr, out_ptr, rows, width, stride,
                    MEAN: tl.constexpr, BLOCK_N: tl.constexpr, BLOCK_D: tl.constexpr, UP: tl.constexpr):  # fmt: skip
    """The gradient of one row: as an anchor 2 w (n - p), as a positive 2 w (x - a), as a negative 2 w (a - x)."""
    row = tl.program_id(0)
    col = tl.program_id(1) * BLOCK_D + tl.arange(0, BLOCK_D)
    inside = col < width
    x = tl.load(x_ptr + row.to(tl.int64) * stride + col, mask=inside, other=0.0).to(tl.float32)
    scale = 2.0
    if MEAN:
        scale = 2.0 * tl.load(grad_ptr).to(tl.float32) * tl.load(share_ptr)
    found = tl.zeros((BLOCK_D,), tl.float32)
    positive, negative = tl.load(positive_ptr + row), tl.load(negative_ptr + row)
    if positive >= 0:
        far = tl.load(x_ptr + positive.to(tl.int64) * stride + col, mask=inside, other=0.0).to(tl.float32)
        near = tl.load(x_ptr + negative.to(tl.int64) * stride + col, mask=inside, other=0.0).to(tl.float32)
        weight = scale
        if not MEAN:
            weight = scale * tl.load(grad_ptr + row).to(tl.float32)
        found += weight * (near - far)
    for first in range(0, rows, BLOCK_N):
        anchor = first + tl.arange(0, BLOCK_N)
        mask = anchor < rows
        as_positive = tl.load(positive_ptr + anchor, mask=mask, other=-1) == row
        as_negative = tl.load(negative_ptr + anchor, mask=mask, other=-1) == row
        wanted = as_positive | as_negative
        for _ in range(tl.sum(wanted.to(tl.int32), 0)):
            place = tl.min(tl.where(wanted, anchor, 2147483647), 0)
            here = anchor == place
            sign = tl.sum(tl.where(here & as_negative, 1.0, 0.0) - tl.where(here & as_positive, 1.0, 0.0), 0)
            a = tl.load(x_ptr + place.to(tl.int64) * stride + col, mask=inside, other=0.0).to(tl.float32)
            weight = scale * sign
            if not MEAN:
                weight *= tl.load(grad_ptr + place).to(tl.float32)
            found += weight * (a - x)
            wanted = wanted & (anchor != place)
    out = rounded(found, out_ptr.dtype.element_ty, UP)
    tl.store(out_ptr + row.to(tl.int64) * width + col, out, mask=inside)
