"""What is streamed over rows of the similarities and what comes of it, as functions of Triton kernels; see `form`.

Every function works on a tile (M, K) of M rows that are owned and K entries of them, and on (M,) numbers of the rows.
"""

# ruff: noqa: ANN001, ANN201, ANN202, SIM108
# mypy: disallow-untyped-defs=False, disallow-incomplete-defs=False
from __future__ import annotations

import triton
import triton.language as tl

from . import form

NEVER = tl.constexpr(form.NEVER)
EMPTY = tl.constexpr(form.EMPTY)
# Below this, 2^shift is 0, and its square is still a number.
LOWEST = tl.constexpr(-1e4)
LN2 = tl.constexpr(0.6931471805599453)
LOG2E = tl.constexpr(1.4426950408889634)


@triton.jit
def _add_pairs(a, b, c, d):
    return a + c, b + d


@triton.jit
def _add_triples(a, b, c, d, e, f):
    return a + d, b + e, c + f


@triton.jit
def sums_of_two(x, y):
    """Over the entries of rows, together: where several warps share a row they meet once."""
    return tl.reduce((x, y), 1, _add_pairs)


@triton.jit
def sums_of_three(x, y, z):
    """The same for three."""
    return tl.reduce((x, y, z), 1, _add_triples)


@triton.jit
def empty(BLOCK_M: tl.constexpr, KIND: tl.constexpr):
    """The statistics of no entries: a, b, c, d, e, f, n, (M,) each."""
    nothing = tl.zeros((BLOCK_M,), tl.float32)
    never = nothing + NEVER
    if KIND == "alignment" or KIND == "ranking":
        return never, nothing, never, nothing, nothing, nothing, nothing
    return never, nothing, nothing, nothing, nothing, nothing, nothing


@triton.jit
def update(
    a, b, c, d, e, f, n, y, same, valid, column, KIND: tl.constexpr, MOMENTS: tl.constexpr, SLOPES: tl.constexpr,
    COUNTED: tl.constexpr,
):  # fmt: skip
    """Take a tile of entries y, in base 2, into the statistics; `same` and `valid` are (M, K), `column` is (K,).

    COUNTED: n is known beforehand and stays 0 here; d of `entropy` is then sum_same y, which needs no n on the way.
    With 2, that is known, too: comparing for it would take registers. With either, the caller has made entries beyond
    the last column NEVER and not `same`, and `valid` is not looked at.
    """
    if COUNTED == 0:
        same = same & valid
        y = tl.where(valid, y, NEVER)
    if KIND == "entropy" or KIND == "divergence":
        high = tl.maximum(a, tl.max(y, 1))
        shift = tl.maximum(a - high, LOWEST)
        keep = tl.exp2(shift)
        z = y - high[:, None]
        exp = tl.exp2(z)
        if COUNTED:
            if KIND == "entropy" and COUNTED == 1:
                d = d + tl.sum(tl.where(same, y, 0.0), 1)
        else:
            if KIND == "entropy":
                d = d + n * (a - high) + tl.sum(tl.where(same, z, 0.0), 1)
            n = n + tl.sum(tl.where(same, 1.0, 0.0), 1)
        if KIND == "entropy":
            if MOMENTS:
                b_more, c_more = sums_of_two(exp, exp * z)
                c = keep * (c + shift * b) + c_more
            else:
                b_more = tl.sum(exp, 1)
        else:
            first = exp * z
            b_more, c_more, d_more = sums_of_three(exp, first, tl.where(same, exp, 0.0))
            if SLOPES:
                e_more, f_more = sums_of_two(first * z, tl.where(same, first, 0.0))
                f = keep * (f + shift * d) + f_more
                e = keep * (e + 2 * shift * c + shift * shift * b) + e_more
            c = keep * (c + shift * b) + c_more
            d = keep * d + d_more
        b = keep * b + b_more
        a = high
    else:
        negative = same == 0
        if COUNTED == 0:
            negative = negative & valid
        y_negative = tl.where(negative, y, NEVER)
        y_same = tl.where(same, y, NEVER)
        high = tl.max(y_negative, 1)
        top = tl.maximum(c, tl.max(y_same, 1))
        shift = tl.maximum(c - top, LOWEST)
        keep = tl.exp2(shift)
        if KIND == "alignment":
            high = tl.maximum(a, high)
            # One exponential serves both: an entry is a negative or a positive.
            z = y - tl.where(same, top[:, None], high[:, None])
            exp = tl.exp2(z)
            b = tl.exp2(a - high) * b + tl.sum(tl.where(negative, exp, 0.0), 1)
            a = high
        else:
            where = tl.min(tl.where(y_negative == high[:, None], column[None, :], 2147483647), 1)
            b = tl.where(high > a, where.to(tl.float32), b)
            a = tl.maximum(a, high)
            z = y - top[:, None]
            exp = tl.exp2(z)
        exp = tl.where(same, exp, 0.0)
        e = keep * (e + shift * d) + tl.sum(tl.where(same, exp * z, 0.0), 1)
        d = keep * d + tl.sum(exp, 1)
        c = top
    return a, b, c, d, e, f, n


@triton.jit
def merge(a, b, c, d, e, f, n, a2, b2, c2, d2, e2, f2, n2, KIND: tl.constexpr, COUNTED: tl.constexpr):
    """The statistics of the entries of two parts, the first of lower columns."""
    high = tl.maximum(a, a2)
    shift, shift2 = tl.maximum(a - high, LOWEST), tl.maximum(a2 - high, LOWEST)
    keep, keep2 = tl.exp2(shift), tl.exp2(shift2)
    if KIND == "entropy" or KIND == "divergence":
        if KIND == "entropy":
            d = d + d2
            if COUNTED == 0:
                d = d + n * (a - high) + n2 * (a2 - high)
        else:
            e = keep * (e + 2 * shift * c + shift * shift * b) + keep2 * (e2 + 2 * shift2 * c2 + shift2 * shift2 * b2)
            f = keep * (f + shift * d) + keep2 * (f2 + shift2 * d2)
            d = keep * d + keep2 * d2
        c = keep * (c + shift * b) + keep2 * (c2 + shift2 * b2)
        b = keep * b + keep2 * b2
        n = n + n2
    else:
        if KIND == "alignment":
            b = keep * b + keep2 * b2
        else:
            b = tl.where(a2 > a, b2, b)
        top = tl.maximum(c, c2)
        shift, shift2 = tl.maximum(c - top, LOWEST), tl.maximum(c2 - top, LOWEST)
        keep, keep2 = tl.exp2(shift), tl.exp2(shift2)
        e = keep * (e + shift * d) + keep2 * (e2 + shift2 * d2)
        d = keep * d + keep2 * d2
        c = top
    return high, b, c, d, e, f, n


@triton.jit
def finish(
    a, b, c, d, e, f, n, scale, alpha, eps, log_eps, margin, KIND: tl.constexpr, MOMENTS: tl.constexpr,
    ROOT: tl.constexpr, COUNTED: tl.constexpr,
):  # fmt: skip
    """Loss, slope, and the four numbers kept of rows with these statistics; `scale` is in base 2."""
    nothing = tl.zeros_like(a)
    if KIND == "entropy":
        mean = nothing
        if MOMENTS:
            mean = c / b
        own = d / n
        if COUNTED:
            own = own - a
        rest = 1.0 - alpha
        value = LN2 * (tl.log2(b) - alpha * mean - rest * own)
        return value, rest * (mean - own) / scale, a, rest / b, rest / n, nothing
    if KIND == "divergence":
        share = n
        if ROOT:
            share = tl.sqrt(n)
        log_same = tl.log(1.0 / share + eps)
        log_b = LN2 * tl.log2(b)
        mean, part = LN2 * c / b, d / b
        value = mean - log_b - part * log_same - (1.0 - part) * log_eps
        shift = log_b + value
        first, second = LN2 * f / b, LN2 * LN2 * e / b
        slope = second - first * log_same - (mean - first) * log_eps - mean * shift
        return value, slope / (LN2 * scale), a, 1.0 / b, log_same + shift, log_eps + shift
    found = a > NEVER / 2
    if KIND == "alignment":
        # A row without negatives has b = 0; what comes of it is not used.
        b = tl.where(found, b, 1.0)
        kept, by = tl.where(found, a, EMPTY), 1.0 / b
        negative = (a + tl.log2(b)) / scale
    else:
        kept, by = tl.where(a > 0, b, -1.0), nothing + 1.0
        negative = tl.maximum(a, 0.0) / scale
    value = margin - (c + e / d) / scale + negative
    # What is not a number is no cost of nothing: training has to see it.
    active = (found & (value >= 0)) | (value != value)
    return tl.where(active, value, 0.0), nothing, kept, tl.where(active, by, 0.0), c, tl.where(active, 1.0 / d, 0.0)


@triton.jit
def prepare(first, second, third, fourth, u, KIND: tl.constexpr):
    """What `weigh` takes of rows, from the numbers kept of them and the gradient u that arrives."""
    if KIND == "entropy":
        return first, u * second, u * third, fourth
    if KIND == "divergence":
        u = u * second
        return first, u * LN2, u * third, u * fourth
    return first, u * second, third, u * fourth


@triton.jit
def weigh(y, same, index, first, second, third, fourth, KIND: tl.constexpr):
    """Gradient of the rows' losses by a tile of entries y; the numbers of `prepare` broadcast against it.

    `index` tells entries of a row apart, as float32, for `ranking`.
    """
    if KIND == "entropy":
        return second * tl.exp2(y - first) - tl.where(same, third, 0.0)
    if KIND == "divergence":
        z = y - first
        return tl.exp2(z) * (second * z - tl.where(same, third, fourth))
    if KIND == "alignment":
        return tl.where(same, -fourth, second) * tl.exp2(y - tl.where(same, third, first))
    return tl.where(same, -fourth * tl.exp2(y - third), tl.where(index == first, second, 0.0))
