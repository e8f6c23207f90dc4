"""The selective scan in plain torch: what runs on a CPU.

- One position: y = u (dt (B . C) + D). No state is carried, so A has no part in it.
- More: a loop over positions inside one autograd function. Parallel forms of the recurrence do log L times the work
  and lose on a processor; autograd through a plain loop keeps every state and, where it slices one big tensor, takes
  time quadratic in L. Here the state is updated in place, one state in sqrt(L) is kept, and the reverse pass is written
  out: it walks the segments backwards, repeats each from its kept state and takes its gradients.

Shapes: B batch, L positions, E channels, N state size.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import silu, softplus

from ..differentiation import first_derivatives

LOG2_E = math.log2(math.e)


def selective_scan(
    u_BLE: Tensor,
    dt_BLE: Tensor,
    A_EN: Tensor,
    B_BLN: Tensor,
    C_BLN: Tensor,
    D_E: Tensor | None = None,
    z_BLE: Tensor | None = None,
    dt_bias_E: Tensor | None = None,
) -> Tensor:
    """The scan with softplus, skip and gate, as `tbpsbench.kernels.selective_scan.selective_scan`; L > 0."""
    dtype = state_type(u_BLE)
    if u_BLE.shape[1] == 1:
        return _one_position(u_BLE, dt_BLE, A_EN, B_BLN, C_BLN, D_E, z_BLE, dt_bias_E, dtype)
    # Steps and states do not survive half precision.
    with torch.autocast(u_BLE.device.type, enabled=False):
        u, dt, A, B, C = (x.to(dtype) for x in (u_BLE, dt_BLE, A_EN, B_BLN, C_BLN))
        y = scan(u, softplus(dt if dt_bias_E is None else dt + dt_bias_E.to(dtype)), A, B, C)
        if D_E is not None:
            y = torch.addcmul(y, u, D_E.to(dtype))
        if z_BLE is not None:
            y = y * silu(z_BLE.to(dtype))
    return y.to(u_BLE.dtype)


def state_type(u_BLE: Tensor) -> torch.dtype:
    """float32, or float64 where the input is."""
    return torch.float64 if u_BLE.dtype == torch.float64 else torch.float32


def scan(u_BLE: Tensor, dt_BLE: Tensor, A_EN: Tensor, B_BLN: Tensor, C_BLN: Tensor) -> Tensor:
    """The recurrence alone, y_t = C_t x_t (B, L, E); all arguments of one floating type, `dt_BLE` as it is used."""
    time_major = (x.transpose(0, 1).contiguous() for x in (u_BLE, dt_BLE, B_BLN, C_BLN))
    u, dt, B, C = time_major
    y_LBE = _Scan.apply(u, dt, A_EN.t().contiguous(), B, C, torch.is_grad_enabled())
    return y_LBE.transpose(0, 1)


def gradients(
    gy_BLE: Tensor,
    u_BLE: Tensor,
    dt_BLE: Tensor,
    A_EN: Tensor,
    B_BLN: Tensor,
    C_BLN: Tensor,
    D_E: Tensor | None,
    z_BLE: Tensor | None,
    dt_bias_E: Tensor | None,
) -> tuple[Tensor | None, ...]:
    """What autograd gives for `selective_scan`, written out for where it does not run: the scan is done once more."""
    dtype = state_type(u_BLE)
    gy, u, dt, A, B, C = (x.to(dtype) for x in (gy_BLE, u_BLE, dt_BLE, A_EN, B_BLN, C_BLN))
    raw = dt if dt_bias_E is None else dt + dt_bias_E.to(dtype)
    u_LBE, dt_LBE, B_LBN, C_LBN = (x.transpose(0, 1).contiguous() for x in (u, softplus(raw), B, C))
    scanned = (u_LBE, dt_LBE, A.t().contiguous(), B_LBN, C_LBN)
    y_LBE, kept = _walk(*scanned, keep=True)
    gz, gD, gu_by_skip = None, None, None
    if z_BLE is not None:
        z = z_BLE.to(dtype)
        y = y_LBE.transpose(0, 1)
        y = y if D_E is None else torch.addcmul(y, u, D_E.to(dtype))
        open_ = torch.sigmoid(z)
        gz = gy * y * open_ * (1 + z * (1 - open_))
        gy = gy * z * open_
    if D_E is not None:
        gD, gu_by_skip = (gy * u).sum((0, 1)), gy * D_E.to(dtype)
    gu, gdt, gA, gB, gC = _walk_back(gy.transpose(0, 1), *scanned, kept)
    gu, gdt, gB, gC = (x.transpose(0, 1) for x in (gu, gdt, gB, gC))
    gu = gu if gu_by_skip is None else gu + gu_by_skip
    gdt = gdt * torch.sigmoid(raw)
    gbias = None if dt_bias_E is None else gdt.sum((0, 1))
    return gu, gdt, gA.t(), gB, gC, gD, gz, gbias


def _one_position(
    u_BLE: Tensor,
    dt_BLE: Tensor,
    A_EN: Tensor,
    B_BLN: Tensor,
    C_BLN: Tensor,
    D_E: Tensor | None,
    z_BLE: Tensor | None,
    dt_bias_E: Tensor | None,
    dtype: torch.dtype,
) -> Tensor:
    """u (dt (B . C) + D) silu(z), in as few passes as it takes: calling an operation costs here as much as its work.

    Autocast rounds none of these operations.
    """
    dt = softplus(dt_BLE.to(dtype) if dt_bias_E is None else dt_BLE.to(dtype) + dt_bias_E.to(dtype))
    read_BL1 = (B_BLN.to(dtype) * C_BLN.to(dtype)).sum(-1, keepdim=True)
    y_BLE = dt * read_BL1 if D_E is None else torch.addcmul(D_E.to(dtype), dt, read_BL1)
    y_BLE = y_BLE * u_BLE
    if z_BLE is not None:
        y_BLE = y_BLE * silu(z_BLE.to(dtype))
    if A_EN.requires_grad:
        y_BLE = _Unused.apply(y_BLE, A_EN)
    return y_BLE.to(u_BLE.dtype)


class _Unused(torch.autograd.Function):
    """Passes a value on and gives a tensor that has no part in it a gradient of zero.

    With no gradient at all an optimiser skips the tensor and keeps no state for it, and a checkpoint would differ from
    one of a longer sequence.
    """

    @staticmethod
    def forward(ctx: Any, value: Tensor, unused: Tensor) -> Tensor:
        ctx.like = unused.new_zeros(()).expand(unused.shape)
        return value.view_as(value)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor]:  # type: ignore[override]
        return gradient, torch.zeros_like(ctx.like, memory_format=torch.contiguous_format)


class _Scan(torch.autograd.Function):
    """y_t = C_t x_t over time-major tensors; states lie as (B, N, E), so that every inner loop runs over channels."""

    @staticmethod
    def forward(
        ctx: Any, u_LBE: Tensor, dt_LBE: Tensor, A_NE: Tensor, B_LBN: Tensor, C_LBN: Tensor, keep: bool
    ) -> Tensor:
        y_LBE, kept = _walk(u_LBE, dt_LBE, A_NE, B_LBN, C_LBN, keep)
        ctx.save_for_backward(u_LBE, dt_LBE, A_NE, B_LBN, C_LBN, kept)
        return y_LBE

    @staticmethod
    @first_derivatives
    def backward(ctx: Any, gy_LBE: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        return *_walk_back(gy_LBE, *ctx.saved_tensors), None


def _walk(
    u_LBE: Tensor, dt_LBE: Tensor, A_NE: Tensor, B_LBN: Tensor, C_LBN: Tensor, keep: bool
) -> tuple[Tensor, Tensor]:
    """Outputs (L, B, E), and with `keep` the states at the segments' starts (segments, B, N, E)."""
    length, batch, channels = u_LBE.shape
    every = _every(length)
    x_BNE = u_LBE.new_zeros(batch, A_NE.shape[0], channels)
    decay_BNE, y_LBE = torch.empty_like(x_BNE), torch.empty_like(u_LBE)
    kept = u_LBE.new_empty(-(-length // every) if keep else 0, *x_BNE.shape)
    rates_NE, written_LBE = A_NE * LOG2_E, dt_LBE * u_LBE
    steps = zip(dt_LBE, written_LBE, B_LBN.unsqueeze(-1), C_LBN.unsqueeze(2), y_LBE.unsqueeze(2), strict=True)
    for t, (dt_BE, written_BE, B_BN1, C_B1N, y_B1E) in enumerate(steps):
        if keep and t % every == 0:
            kept[t // every] = x_BNE
        _decay(dt_BE, rates_NE, decay_BNE)
        x_BNE.mul_(decay_BNE).addcmul_(B_BN1, written_BE[:, None])
        torch.bmm(C_B1N, x_BNE, out=y_B1E)
    return y_LBE, kept


def _walk_back(
    gy_LBE: Tensor, u_LBE: Tensor, dt_LBE: Tensor, A_NE: Tensor, B_LBN: Tensor, C_LBN: Tensor, kept: Tensor
) -> tuple[Tensor, ...]:
    """Gradients of `_walk`'s first five arguments."""
    gy_LBE, written_LBE = gy_LBE.contiguous(), dt_LBE * u_LBE
    gx_BNE, spare_BNE, gA_BNE = (torch.zeros_like(kept[0]) for _ in range(3))
    g_written_LBE, g_dt_LBE = torch.empty_like(u_LBE), torch.empty_like(u_LBE)
    gB_LBN, gC_LBN = torch.empty_like(B_LBN), torch.empty_like(C_LBN)
    B_LBN1, C_LBN1 = B_LBN.unsqueeze(-1), C_LBN.unsqueeze(-1)
    for t, before_BNE, x_BNE, decay_BNE in _backwards(dt_LBE, written_LBE, A_NE, B_LBN1, kept):
        gy_B1E, written_B1E = gy_LBE[t][:, None], written_LBE[t][:, None]
        gx_BNE.addcmul_(C_LBN1[t], gy_B1E)
        torch.sum(torch.mul(x_BNE, gy_B1E, out=spare_BNE), 2, out=gC_LBN[t])
        torch.sum(torch.mul(gx_BNE, written_B1E, out=spare_BNE), 2, out=gB_LBN[t])
        torch.bmm(B_LBN[t][:, None], gx_BNE, out=g_written_LBE[t][:, None])
        gx_BNE.mul_(decay_BNE)
        # What now flows to the exponent dt A: gx decay x_{t-1}.
        torch.mul(gx_BNE, before_BNE, out=spare_BNE)
        gA_BNE.addcmul_(spare_BNE, dt_LBE[t][:, None])
        torch.sum(spare_BNE.mul_(A_NE), 1, out=g_dt_LBE[t])
    g_dt_LBE.addcmul_(g_written_LBE, u_LBE)
    return g_written_LBE.mul_(dt_LBE), g_dt_LBE, gA_BNE.sum(0), gB_LBN, gC_LBN


def _every(length: int) -> int:
    """Positions of a segment: the square root of all, which keeps the fewest states in all."""
    return math.isqrt(length - 1) + 1


def _decay(dt_BE: Tensor, rates_NE: Tensor, out_BNE: Tensor) -> None:
    """exp(dt A), with the rates in powers of two: torch's exp2 is up to three times as fast as its exp on a CPU."""
    torch.exp2(torch.mul(dt_BE[:, None], rates_NE, out=out_BNE), out=out_BNE)


def _backwards(
    dt_LBE: Tensor, written_LBE: Tensor, A_NE: Tensor, B_LBN1: Tensor, kept: Tensor
) -> Iterator[tuple[int, Tensor, Tensor, Tensor]]:
    """From the last position to the first: (t, x_{t-1}, x_t, decay at t); one segment of states exists at a time."""
    length, rates_NE = len(dt_LBE), A_NE * LOG2_E
    every = _every(length)
    states = kept.new_empty(every + 1, *kept.shape[1:])
    decays = kept.new_empty(every, *kept.shape[1:])
    for segment in range(len(kept) - 1, -1, -1):
        start = segment * every
        stop = min(start + every, length)
        states[0] = kept[segment]
        for i, t in enumerate(range(start, stop)):
            _decay(dt_LBE[t], rates_NE, decays[i])
            torch.mul(states[i], decays[i], out=states[i + 1]).addcmul_(B_LBN1[t], written_LBE[t][:, None])
        for i in range(stop - start - 1, -1, -1):
            yield start + i, states[i], states[i + 1], decays[i]
