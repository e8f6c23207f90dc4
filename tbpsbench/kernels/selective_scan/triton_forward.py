"""The scan's forward pass as one Triton kernel: softplus, recurrence, skip and gate in one walk over the positions."""

# Triton reads annotations as types of its own, and concatenates tuples with + alone.
# ruff: noqa: ANN001, ANN201, RUF005
# mypy: ignore-errors

from __future__ import annotations

import triton
import triton.language as tl

from .triton_parts import (
    LOG2_E,
    PLAIN,
    load,
    load_rows,
    load_states,
    of_position,
    sigmoid,
    spread,
    step_size,
    store,
)


@triton.jit(do_not_specialize=PLAIN)
def forward(
    u_ptr,
    dt_ptr,
    A_ptr,
    B_ptr,
    C_ptr,
    D_ptr,
    z_ptr,
    bias_ptr,
    y_ptr,
    kept_ptr,
    length,
    channels,
    u_batch,
    u_row,
    dt_batch,
    dt_row,
    B_batch,
    B_row,
    C_batch,
    C_row,
    z_batch,
    z_row,
    N: tl.constexpr,
    CHUNKS: tl.constexpr,
    SKIP: tl.constexpr,
    GATE: tl.constexpr,
    BIAS: tl.constexpr,
    KEEP: tl.constexpr,
    WHOLE: tl.constexpr,
    R: tl.constexpr,
    S: tl.constexpr,
    CL: tl.constexpr,
    PL: tl.constexpr,
):
    """One program: R * CL channels of one sample. WHOLE: no tile reaches over an edge, so nothing is masked.

    The next chunk is loaded while one is computed: few warps run at a time, and none of them should wait.
    """
    blocks = tl.cdiv(channels, R * CL)
    sample, block = (tl.program_id(0) // blocks).to(tl.int64), tl.program_id(0) % blocks
    lane = tl.arange(0, CL * PL)
    t = lane // CL
    e = block * R * CL + lane % CL
    n = (lane[:, None] // CL) * S + tl.arange(0, S)[None, :]
    u_ptr += sample * u_batch
    dt_ptr += sample * dt_batch
    B_ptr += sample * B_batch
    C_ptr += sample * C_batch
    z_ptr += sample * z_batch
    y_ptr += sample * length * channels
    chunks = tl.cdiv(length, PL)
    kept_ptr += sample * (tl.cdiv(chunks, CHUNKS) - 1) * channels * N

    xs, rates, skips, biases = (), (), (), ()
    for r in tl.static_range(R):
        er = e + r * CL
        xs = xs + (tl.zeros([CL * PL, S], dtype=tl.float32),)
        rates = rates + (load(A_ptr, er[:, None] * N + n, (er < channels)[:, None] & (n < N), WHOLE) * LOG2_E,)
        skips = skips + (load(D_ptr, er, er < channels, WHOLE) if SKIP else 0.0,)
        biases = biases + (load(bias_ptr, er, er < channels, WHOLE) if BIAS else 0.0,)
    zero = chunks * 0
    us = load_rows(u_ptr, zero, u_row, length, channels, e, R, CL, PL, WHOLE)
    dts = load_rows(dt_ptr, zero, dt_row, length, channels, e, R, CL, PL, WHOLE)
    zs = load_rows(z_ptr, zero, z_row, length, channels, e, R if GATE else 0, CL, PL, WHOLE)
    Bs = load_states(B_ptr, zero, B_row, length, n, N, PL, WHOLE)
    Cs = load_states(C_ptr, zero, C_row, length, n, N, PL, WHOLE)
    for chunk in range(chunks):
        following = tl.minimum(chunk + 1, chunks - 1)
        next_us = load_rows(u_ptr, following, u_row, length, channels, e, R, CL, PL, WHOLE)
        next_dts = load_rows(dt_ptr, following, dt_row, length, channels, e, R, CL, PL, WHOLE)
        next_zs = load_rows(z_ptr, following, z_row, length, channels, e, R if GATE else 0, CL, PL, WHOLE)
        next_Bs = load_states(B_ptr, following, B_row, length, n, N, PL, WHOLE)
        next_Cs = load_states(C_ptr, following, C_row, length, n, N, PL, WHOLE)
        start = tl.cast(chunk, tl.int64) * PL
        if KEEP:  # noqa: SIM102 -- known when compiling
            if (chunk % CHUNKS == 0) & (chunk > 0):
                kept = kept_ptr + tl.cast(chunk // CHUNKS - 1, tl.int64) * channels * N
                for r in tl.static_range(R):
                    er = e + r * CL
                    store(kept, er[:, None] * N + n, xs[r], (er < channels)[:, None] & (n < N), WHOLE)
        new_xs = ()
        for r in tl.static_range(R):
            er = e + r * CL
            x, u, ok = xs[r], us[r], (er < channels) & (start + t < length)
            dt, _ = step_size(dts[r], biases[r], ok, BIAS, WHOLE)
            written, ys = dt * u, ()
            for k in tl.static_range(PL):
                decay = tl.exp2(of_position(dt, lane, k, CL) * rates[r])
                x = decay * x + of_position(written, lane, k, CL) * Bs[k]
                ys = ys + (tl.sum(x * Cs[k], 1),)
            y = spread(ys, lane, CL, PL)
            if SKIP:
                y += skips[r] * u
            if GATE:
                y *= zs[r] * sigmoid(zs[r])
            store(y_ptr + start * channels, t * channels + er, y, ok, WHOLE)
            new_xs = new_xs + (x,)
        xs, us, dts, zs, Bs, Cs = new_xs, next_us, next_dts, next_zs, next_Bs, next_Cs
