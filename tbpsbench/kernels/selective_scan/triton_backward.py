"""The scan's backward pass as one Triton kernel that walks the segments from the last to the first.

In a segment the states at the chunks' starts are computed again from the kept one and noted in a scratch that stays in
the cache. Then each chunk is walked forwards once more, in registers, and backwards with the state's gradient G:

    G_t = C_t gy_t + a_{t+1} G_{t+1}        a_t = exp(dt_t A),  x_t = a_t x_{t-1} + dt_t u_t B_t,  y_t = C_t x_t + D u_t

    gC_t = sum_e gy_t x_t,  gB_t = sum_e G_t dt_t u_t,  gA = sum_t G_t a_t x_{t-1} dt_t

What is summed over channels (B, C) or samples (A, D, bias) is written once per program and added up afterwards, in a
fixed order: the same bits in every run.
"""

# Triton reads annotations as types of its own, and concatenates tuples with + alone.
# ruff: noqa: ANN001, ANN201, ANN202, RUF005
# mypy: ignore-errors

from __future__ import annotations

import triton
import triton.language as tl

from .triton_parts import (
    LN_2,
    LOG2_E,
    PLAIN,
    fold,
    load,
    load_rows,
    load_states,
    of_position,
    sigmoid,
    spread,
    step_size,
    store,
)


@triton.jit
def _over_channels(gB, gC, lane, CL: tl.constexpr, S: tl.constexpr):
    """Sums of two tiles (W, S) over the CL lanes of different channels.

    With 8 lanes and 4 states the 8 sums come to rest one in a lane, which takes 7 shuffles; otherwise in every lane.
    """
    lane2 = lane[:, None] + tl.zeros([1, S], dtype=tl.int32)
    if (CL == 8) & (S == 4):
        both = fold(gB, gC, lane2, 1)
        low, high = tl.split(tl.reshape(both, [8 * 4, 2, 2]))
        half = fold(low, high, lane[:, None] + tl.zeros([1, 2], dtype=tl.int32), 2)
        low, high = tl.split(half)
        gB = fold(low, high, lane, 4)
        gC = gB
    else:
        for bit in tl.static_range(5):
            if 2**bit < CL:
                gB += tl.gather(gB, lane2 ^ 2**bit, 0)
                gC += tl.gather(gC, lane2 ^ 2**bit, 0)
    return gB, gC


@triton.jit
def _over_positions(x, lane, CL: tl.constexpr, PL: tl.constexpr):
    """Sum of a tile (W,) over the lanes of one channel."""
    for bit in tl.static_range(2):
        if 2**bit < PL:
            x += tl.gather(x, lane ^ (CL * 2**bit), 0)
    return x


@triton.jit(do_not_specialize=PLAIN)
def backward(
    u_ptr,
    dt_ptr,
    A_ptr,
    B_ptr,
    C_ptr,
    D_ptr,
    z_ptr,
    bias_ptr,
    gy_ptr,
    kept_ptr,
    scratch_ptr,
    gu_ptr,
    gdt_ptr,
    gz_ptr,
    gBC_ptr,
    part_ptr,
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
    WHOLE: tl.constexpr,
    R: tl.constexpr,
    S: tl.constexpr,
    CL: tl.constexpr,
    PL: tl.constexpr,
):
    """One program: R * CL channels of one sample, as in the forward pass.

    Partial sums: gBC (B, L, 2, blocks, N) with gB first; part (B, E N + 2 E): gA, gD, gbias.
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
    begin = sample * length * channels
    gy_ptr += begin
    gu_ptr += begin
    gdt_ptr += begin
    gz_ptr += begin
    gBC_ptr += (sample * length * 2 * blocks + block) * N
    chunks = tl.cdiv(length, PL)
    segments = tl.cdiv(chunks, CHUNKS)
    kept_ptr += sample * (segments - 1) * channels * N
    scratch_ptr += (sample * blocks + block) * CHUNKS * R * CL * PL * S
    own = lane[:, None] * S + tl.arange(0, S)[None, :]
    slot: tl.constexpr = R * CL * PL * S

    Gs, rates, gAs, skips, biases, gDs, gbiases = (), (), (), (), (), (), ()
    for r in tl.static_range(R):
        er = e + r * CL
        nothing = tl.zeros([CL * PL, S], dtype=tl.float32)
        none = tl.zeros([CL * PL], dtype=tl.float32)
        Gs, gAs, gDs, gbiases = Gs + (nothing,), gAs + (nothing,), gDs + (none,), gbiases + (none,)
        rates = rates + (load(A_ptr, er[:, None] * N + n, (er < channels)[:, None] & (n < N), WHOLE) * LOG2_E,)
        skips = skips + (load(D_ptr, er, er < channels, WHOLE) if SKIP else 0.0,)
        biases = biases + (load(bias_ptr, er, er < channels, WHOLE) if BIAS else 0.0,)

    for behind in range(segments):
        segment = segments - 1 - behind
        chunk0 = segment * CHUNKS
        chunk1 = tl.minimum(chunks, chunk0 + CHUNKS)
        xs = ()
        for r in tl.static_range(R):
            er = e + r * CL
            there = (er < channels)[:, None] & (n < N) & (segment + 0 * n > 0)
            at = tl.cast(segment - 1, tl.int64) * channels * N
            xs = xs + (load(kept_ptr + at, er[:, None] * N + n, there, False),)
        us = load_rows(u_ptr, chunk0, u_row, length, channels, e, R, CL, PL, WHOLE)
        dts = load_rows(dt_ptr, chunk0, dt_row, length, channels, e, R, CL, PL, WHOLE)
        Bs = load_states(B_ptr, chunk0, B_row, length, n, N, PL, WHOLE)
        for chunk in range(chunk0, chunk1):
            ahead = tl.minimum(chunk + 1, chunk1 - 1)
            next_us = load_rows(u_ptr, ahead, u_row, length, channels, e, R, CL, PL, WHOLE)
            next_dts = load_rows(dt_ptr, ahead, dt_row, length, channels, e, R, CL, PL, WHOLE)
            next_Bs = load_states(B_ptr, ahead, B_row, length, n, N, PL, WHOLE)
            start = tl.cast(chunk, tl.int64) * PL
            new_xs = ()
            for r in tl.static_range(R):
                x = xs[r]
                tl.store(scratch_ptr + (chunk - chunk0) * slot + r * (slot // R) + own, x)
                ok = (e + r * CL < channels) & (start + t < length)
                dt, _ = step_size(dts[r], biases[r], ok, BIAS, WHOLE)
                written = dt * us[r]
                for k in tl.static_range(PL):
                    decay = tl.exp2(of_position(dt, lane, k, CL) * rates[r])
                    x = decay * x + of_position(written, lane, k, CL) * Bs[k]
                new_xs = new_xs + (x,)
            xs, us, dts, Bs = new_xs, next_us, next_dts, next_Bs
        tl.debug_barrier()
        us = load_rows(u_ptr, chunk1 - 1, u_row, length, channels, e, R, CL, PL, WHOLE)
        dts = load_rows(dt_ptr, chunk1 - 1, dt_row, length, channels, e, R, CL, PL, WHOLE)
        gys = load_rows(gy_ptr, chunk1 - 1, channels, length, channels, e, R, CL, PL, WHOLE)
        zs = load_rows(z_ptr, chunk1 - 1, z_row, length, channels, e, R if GATE else 0, CL, PL, WHOLE)
        for left in range(chunk1 - chunk0):
            chunk = chunk1 - 1 - left
            ahead = tl.maximum(chunk - 1, chunk0)
            next_us = load_rows(u_ptr, ahead, u_row, length, channels, e, R, CL, PL, WHOLE)
            next_dts = load_rows(dt_ptr, ahead, dt_row, length, channels, e, R, CL, PL, WHOLE)
            next_gys = load_rows(gy_ptr, ahead, channels, length, channels, e, R, CL, PL, WHOLE)
            next_zs = load_rows(z_ptr, ahead, z_row, length, channels, e, R if GATE else 0, CL, PL, WHOLE)
            start = tl.cast(chunk, tl.int64) * PL
            Bs = load_states(B_ptr, chunk, B_row, length, n, N, PL, WHOLE)
            Cs = load_states(C_ptr, chunk, C_row, length, n, N, PL, WHOLE)
            gBs, gCs = (), ()
            for _ in tl.static_range(PL):
                gBs = gBs + (tl.zeros([CL * PL, S], dtype=tl.float32),)
                gCs = gCs + (tl.zeros([CL * PL, S], dtype=tl.float32),)
            new_Gs, new_gAs, new_gDs, new_gbiases = (), (), (), ()
            for r in tl.static_range(R):
                er = e + r * CL
                ok = (er < channels) & (start + t < length)
                u, gout = us[r], gys[r]
                dt, slope = step_size(dts[r], biases[r], ok, BIAS, WHOLE)
                written = dt * u
                gy = gout
                if GATE:
                    s = sigmoid(zs[r])
                    gy = gout * zs[r] * s
                x = tl.load(scratch_ptr + (chunk - chunk0) * slot + r * (slot // R) + own)
                decays, befores, ys, new = (), (), (), ()
                for k in tl.static_range(PL):
                    decay = tl.exp2(of_position(dt, lane, k, CL) * rates[r])
                    before = decay * x
                    x = before + of_position(written, lane, k, CL) * Bs[k]
                    decays, befores = decays + (decay,), befores + (before,)
                    new = new + (gCs[k] + of_position(gy, lane, k, CL) * x,)
                    if GATE:
                        ys = ys + (tl.sum(x * Cs[k], 1),)
                gCs = new
                if GATE:
                    y = spread(ys, lane, CL, PL)
                    if SKIP:
                        y += skips[r] * u
                    gz = gout * y * s * (1.0 + zs[r] * (1.0 - s))
                    store(gz_ptr + start * channels, t * channels + er, gz, ok, WHOLE)
                G, gA = Gs[r], gAs[r]
                by_written, by_rate, new = (), (), ()
                for k in tl.static_range(PL - 1, -1, -1):
                    G += of_position(gy, lane, k, CL) * Cs[k]
                    new = (gBs[k] + of_position(written, lane, k, CL) * G,) + new
                    by_written = (tl.sum(G * Bs[k], 1),) + by_written
                    through = G * befores[k]
                    gA += of_position(dt, lane, k, CL) * through
                    by_rate = (tl.sum(through * rates[r], 1),) + by_rate
                    G *= decays[k]
                gBs = new
                g_written = spread(by_written, lane, CL, PL)
                gdt = (g_written * u + spread(by_rate, lane, CL, PL) * LN_2) * slope
                gu = g_written * dt
                if SKIP:
                    gu += skips[r] * gy
                store(gu_ptr + start * channels, t * channels + er, gu, ok, WHOLE)
                store(gdt_ptr + start * channels, t * channels + er, gdt, ok, WHOLE)
                new_Gs, new_gAs = new_Gs + (G,), new_gAs + (gA,)
                new_gDs = new_gDs + (gDs[r] + gy * u,)
                new_gbiases = new_gbiases + (gbiases[r] + gdt,)
            Gs, gAs, gDs, gbiases = new_Gs, new_gAs, new_gDs, new_gbiases
            us, dts, gys, zs = next_us, next_dts, next_gys, next_zs
            for k in tl.static_range(PL):
                gB, gC = _over_channels(gBs[k], gCs[k], lane, CL, S)
                to = gBC_ptr + (start + k) * 2 * blocks * N
                here = start + k + 0 * lane < length
                if (CL == 8) & (S == 4):
                    state = t * S + (lane & 2) // 2 + (lane & 4) // 2
                    store(to, (lane & 1) * blocks * N + state, gB, (state < N) & here, WHOLE)
                else:
                    store(to, n, gB, (lane % CL == 0)[:, None] & (n < N) & here[:, None], False)
                    store(to, blocks * N + n, gC, (lane % CL == 0)[:, None] & (n < N) & here[:, None], False)
        tl.debug_barrier()

    part_ptr += sample * channels * (N + 2)
    for r in tl.static_range(R):
        er = e + r * CL
        there = er < channels
        store(part_ptr, er[:, None] * N + n, gAs[r], there[:, None] & (n < N), WHOLE)
        if SKIP:
            store(part_ptr + channels * N, er, _over_positions(gDs[r], lane, CL, PL), there & (t == 0), False)
        if BIAS:
            total = _over_positions(gbiases[r], lane, CL, PL)
            store(part_ptr + channels * (N + 1), er, total, there & (t == 0), False)
