"""Forward kernel of float32 on a strip, some rows of the similarities with all columns, which the library multiplies.

Shapes: N pairs, C rows of a strip.
"""

# ruff: noqa: ANN001, ANN201, SIM102
# mypy: disallow-untyped-defs=False, disallow-incomplete-defs=False
from __future__ import annotations

import triton
import triton.language as tl

from .triton_parts import get, put, scales
from .triton_rows import empty, update


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
            a, b, c, d, e, f, n = get(place, rows, own_ok, KIND, MOMENTS, SLOPES, 0)
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
    put(place, rows, own_ok, a, b, c, d, e, f, n, KIND, MOMENTS, SLOPES, 0)
