"""What the scan's Triton kernels share: how the work lies in a warp, and the functions of one element.

A program is one warp of W = 32 lanes. It owns R rows of CL channels of one sample, with all their states, and walks
over the positions. Of row r, lane w holds channel first + r * CL + w % CL, and of its states the S that begin at
(w // CL) * S. So CL lanes stand side by side for different channels, PL = W / CL for different states of one.

PL positions at a time, a chunk, are loaded as a tile (W,): position w // CL in lane w. Softplus, gates and their
derivatives are so computed once; one shuffle brings a position's values to the lanes of all states (`of_position`),
and sums over states go back to the lanes of their position (`spread`). Rows are a tuple of tiles, the lanes an axis of
their own and shuffles are gathers along it. That leaves the compiler one layout only: states in registers, no shared
memory, no barrier.

Shapes: (W,) and (W, S).
"""

# Triton reads annotations as types of its own, and concatenates tuples with + alone.
# ruff: noqa: ANN001, ANN201, RUF005, SIM108
# mypy: ignore-errors

from __future__ import annotations

from typing import NamedTuple

import triton
import triton.language as tl

LOG2_E: tl.constexpr = tl.constexpr(1.4426950408889634)
LN_2: tl.constexpr = tl.constexpr(0.6931471805599453)
LANES = 32
# Integers that need no version of a kernel each: nothing is vectorised by them.
PLAIN = ["length", "channels", "u_batch", "u_row", "dt_batch", "dt_row", "z_batch", "z_row"]


class Sizes(NamedTuple):
    """Sizes of a program's tiles: constexpr arguments of the kernels."""

    R: int
    S: int
    CL: int
    PL: int

    @property
    def channels(self) -> int:
        """Channels that a program owns."""
        return self.R * self.CL


def sizes(states: int, rows: int) -> Sizes:
    """Four lanes share a channel's states where there are as many: vectors of states in a lane, and few shuffles."""
    padded = triton.next_power_of_2(states)
    across = min(4, padded)
    return Sizes(R=rows, S=padded // across, CL=LANES // across, PL=across)


@triton.jit
def softplus(x):
    """log(1 + exp(x)) and its derivative, both to float32's precision for every x.

    The polynomial interpolates log1p(e) / e at Chebyshev nodes of [0, 1], relative error 4e-8; the logarithm of 1 + e
    would lose the digits of a small e, which is what Mamba's step sizes are.
    """
    e = tl.exp2(-tl.abs(x) * LOG2_E)
    p = 0.00512610214 * e - 0.0290740647
    p = p * e + 0.0775160868
    p = p * e - 0.136022476
    p = p * e + 0.190768807
    p = p * e - 0.24835399
    p = p * e + 0.333181217
    p = p * e - 0.49999445
    p = p * e + 0.999999966
    inverse = 1.0 / (1.0 + e)
    return tl.maximum(x, 0.0) + e * p, tl.where(x < 0.0, e * inverse, inverse)


@triton.jit
def sigmoid(x):
    """1 / (1 + exp(-x))."""
    return 1.0 / (1.0 + tl.exp2(-x * LOG2_E))


@triton.jit
def fold(a, b, lane, BIT: tl.constexpr):
    """Two sums over pairs of lanes that differ in BIT, in the room of one: a's in lanes without it, b's with it."""
    high = (lane & BIT) != 0
    keep = tl.where(high, b, a)
    send = tl.where(high, a, b)
    return keep + tl.gather(send, lane ^ BIT, 0)


@triton.jit
def spread(values, lane, CL: tl.constexpr, PL: tl.constexpr):
    """PL tiles (W,), one a position, summed over the lanes of a channel; each lane gets its position's sum."""
    if PL == 1:
        result = values[0]
    elif PL == 2:
        result = fold(values[0], values[1], lane, CL)
    else:
        result = fold(fold(values[0], values[1], lane, CL), fold(values[2], values[3], lane, CL), lane, 2 * CL)
    return result


@triton.jit
def of_position(tile, lane, k: tl.constexpr, CL: tl.constexpr):
    """Position k's values of a tile (W,), in all lanes of their channel, as (W, 1)."""
    return tl.gather(tile, (lane & (CL - 1)) | (k * CL), 0)[:, None]


@triton.jit
def load(ptr, at, ok, WHOLE: tl.constexpr):
    """Elements as float32, 0 where there are none. WHOLE: all are there."""
    if WHOLE:
        x = tl.load(ptr + at)
    else:
        x = tl.load(ptr + at, mask=ok, other=0.0)
    return x.to(tl.float32)


@triton.jit
def store(ptr, at, x, ok, WHOLE: tl.constexpr):
    """Elements in the type of what they are written to."""
    if WHOLE:
        tl.store(ptr + at, x.to(ptr.dtype.element_ty))
    else:
        tl.store(ptr + at, x.to(ptr.dtype.element_ty), mask=ok)


@triton.jit
def load_rows(
    ptr, chunk, row, length, channels, e, R: tl.constexpr, CL: tl.constexpr, PL: tl.constexpr, WHOLE: tl.constexpr
):
    """One chunk of an input (L, E) whose positions are `row` elements apart: R tiles (W,)."""
    t = tl.arange(0, CL * PL) // CL
    start = tl.cast(chunk, tl.int64) * PL
    tiles = ()
    for r in tl.static_range(R):
        ok = (e + r * CL < channels) & (start + t < length)
        tiles = tiles + (load(ptr + start * row, t * row + e + r * CL, ok, WHOLE),)
    return tiles


@triton.jit
def load_states(ptr, chunk, row, length, n, N: tl.constexpr, PL: tl.constexpr, WHOLE: tl.constexpr):
    """One chunk of an input (L, N): PL tiles (W, S), one a position."""
    tiles = ()
    for k in tl.static_range(PL):
        at = tl.cast(chunk, tl.int64) * PL + k
        tiles = tiles + (load(ptr + at * row, n, (n < N) & (at + 0 * n < length), WHOLE),)
    return tiles


@triton.jit
def step_size(dt, bias, ok, BIAS: tl.constexpr, WHOLE: tl.constexpr):
    """Softplus of dt + bias and its derivative; 0 behind the end, so that the state stays."""
    if BIAS:
        dt += bias
    dt, slope = softplus(dt)
    if not WHOLE:
        dt = tl.where(ok, dt, 0.0)
    return dt, slope
