"""What the backward programs wrote each for itself, added up in a fixed order.

Shapes: B batch, L positions, E channels, N state size, P programs of a sample.
"""

# Triton reads annotations as types of its own.
# ruff: noqa: ANN001, ANN201, ANN202
# mypy: ignore-errors

from __future__ import annotations

import triton
import triton.language as tl


@triton.jit(do_not_specialize=["rows", "blocks", "samples", "channels"])
def add_up(
    part_BC_ptr,
    part_ptr,
    gA_ptr,
    gB_ptr,
    gC_ptr,
    gD_ptr,
    gbias_ptr,
    rows,
    blocks,
    samples,
    channels,
    N: tl.constexpr,
    SKIP: tl.constexpr,
    BIAS: tl.constexpr,
    NP: tl.constexpr,
    ROWS: tl.constexpr,
    STEP: tl.constexpr,
    WIDE: tl.constexpr,
):
    """One launch for all sums: the first programs add up blocks, twice cdiv(B L, ROWS) of them, the others samples."""
    program, over_blocks = tl.program_id(0), 2 * tl.cdiv(rows, ROWS)
    if program < over_blocks:
        _add_blocks(part_BC_ptr, gB_ptr, gC_ptr, program // 2, program % 2, rows, blocks, N, NP, ROWS, STEP)
    else:
        program -= over_blocks
        _add_samples(part_ptr, gA_ptr, gD_ptr, gbias_ptr, program, samples, channels, N, SKIP, BIAS, WIDE)


@triton.jit
def _add_blocks(
    part_ptr,
    gB_ptr,
    gC_ptr,
    program,
    which,
    rows,
    blocks,
    N: tl.constexpr,
    NP: tl.constexpr,
    ROWS: tl.constexpr,
    STEP: tl.constexpr,
):
    """Sums of (B L, 2, P, N) over P: gradients of B and C, (B L, N) each; ROWS positions, STEP blocks at once."""
    row = tl.cast(program, tl.int64) * ROWS + tl.arange(0, ROWS)
    n = tl.arange(0, NP)
    block = tl.arange(0, STEP)
    part_ptr += which * blocks * N
    total = tl.zeros([ROWS, STEP, NP], dtype=tl.float32)
    for first in range(0, blocks, STEP):
        at = (row * 2 * blocks * N)[:, None, None] + ((first + block) * N)[None, :, None] + n[None, None, :]
        there = (row < rows)[:, None, None] & (first + block < blocks)[None, :, None] & (n < N)[None, None, :]
        total += tl.load(part_ptr + at, mask=there, other=0.0)
    total = tl.sum(total, 1)
    to = row[:, None] * N + n[None, :]
    there = (row < rows)[:, None] & (n < N)[None, :]
    if which == 0:
        tl.store(gB_ptr + to, total.to(gB_ptr.dtype.element_ty), mask=there)
    else:
        tl.store(gC_ptr + to, total.to(gC_ptr.dtype.element_ty), mask=there)


@triton.jit
def _add_samples(
    part_ptr,
    gA_ptr,
    gD_ptr,
    gbias_ptr,
    program,
    samples,
    channels,
    N: tl.constexpr,
    SKIP: tl.constexpr,
    BIAS: tl.constexpr,
    WIDE: tl.constexpr,
):
    """Sums of (B, E N + 2 E) over B: gradients of A (E, N), of D (E,) and of the bias (E,)."""
    i = tl.cast(program, tl.int64) * WIDE + tl.arange(0, WIDE)
    ends_A, ends_D = tl.cast(channels, tl.int64) * N, tl.cast(channels, tl.int64) * (N + 1)
    width = ends_D + channels
    total = tl.zeros([WIDE], dtype=tl.float32)
    for sample in range(samples):
        total += tl.load(part_ptr + sample * width + i, mask=i < width, other=0.0)
    tl.store(gA_ptr + i, total.to(gA_ptr.dtype.element_ty), mask=i < ends_A)
    if SKIP:
        tl.store(gD_ptr + i - ends_A, total.to(gD_ptr.dtype.element_ty), mask=(i >= ends_A) & (i < ends_D))
    if BIAS:
        tl.store(gbias_ptr + i - ends_D, total.to(gbias_ptr.dtype.element_ty), mask=(i >= ends_D) & (i < width))
