"""The selective scan of Mamba (Gu and Dao 2023, section 3.2, Algorithm 2), in plain torch.

    x_t = exp(dt_t A) x_{t-1} + dt_t B_t u_t,   x_0 = 0,      y_t = C_t x_t + D u_t

with u, dt per channel, B and C per position, A and D learnt. Three ways to the same numbers:

- one position: y = u (dt (B . C) + D). No state is carried, so A has no part in it.
- `mamba_ssm`'s kernel, for tensors on CUDA where its compiled part is there.
- a loop over positions inside one autograd function, everywhere else. Parallel forms of the recurrence do log L times
  the work and lose on a processor; autograd through a plain loop keeps every state and, where it slices one big tensor,
  takes time quadratic in L. Here the state is updated in place, one state in sqrt(L) is kept, and the reverse pass is
  written out: it walks the segments backwards, repeats each from its kept state and takes its gradients.

Shapes: B batch, L positions, E channels, N state size.
"""

from __future__ import annotations

import functools
import importlib.util
import math
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn.functional import silu, softplus

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
    """The scan with what Mamba wraps around it: softplus before, skip and gate behind.

    Args:
        u_BLE: input.
        dt_BLE: step sizes before bias and softplus.
        A_EN: decay rates, < 0 for a state that forgets.
        B_BLN, C_BLN: how a position is written to the state and read from it.
        D_E: weight of the input in the output; None for 0.
        z_BLE: gate; the output is multiplied by silu(z). None for no gate.
        dt_bias_E: added to `dt_BLE`.

    Returns:
        (B, L, E) in the type of `u_BLE`. The state is float32, float64 where the input is; gradients are exact, second
        derivatives are refused.

    Raises:
        ValueError: for shapes that do not fit.
    """
    _check(u_BLE, dt_BLE, A_EN, B_BLN, C_BLN)
    dtype = torch.float64 if u_BLE.dtype == torch.float64 else torch.float32
    if u_BLE.shape[1] == 1:
        return _one_position(u_BLE, dt_BLE, A_EN, B_BLN, C_BLN, D_E, z_BLE, dt_bias_E, dtype)
    if u_BLE.is_cuda and cuda_kernel()[0]:
        return _mamba_ssm(u_BLE, dt_BLE, A_EN, B_BLN, C_BLN, D_E, z_BLE, dt_bias_E)
    # Steps and states do not survive half precision.
    with torch.autocast(u_BLE.device.type, enabled=False):
        u, dt, A, B, C = (x.to(dtype) for x in (u_BLE, dt_BLE, A_EN, B_BLN, C_BLN))
        y = scan(u, softplus(dt if dt_bias_E is None else dt + dt_bias_E.to(dtype)), A, B, C)
        if D_E is not None:
            y = torch.addcmul(y, u, D_E.to(dtype))
        if z_BLE is not None:
            y = y * silu(z_BLE.to(dtype))
    return y.to(u_BLE.dtype)


def scan(u_BLE: Tensor, dt_BLE: Tensor, A_EN: Tensor, B_BLN: Tensor, C_BLN: Tensor) -> Tensor:
    """The recurrence alone, y_t = C_t x_t (B, L, E); all arguments of one floating type, `dt_BLE` as it is used."""
    time_major = (x.transpose(0, 1).contiguous() for x in (u_BLE, dt_BLE, B_BLN, C_BLN))
    u, dt, B, C = time_major
    y_LBE = _Scan.apply(u, dt, A_EN.t().contiguous(), B, C, torch.is_grad_enabled())
    return y_LBE.transpose(0, 1)


@functools.cache
def cuda_kernel() -> tuple[bool, str]:
    """Whether mamba_ssm's compiled scan is installed, and why not.

    That `mamba_ssm` is installed proves nothing: newer releases come without the compiled part and fail when called.
    """
    if importlib.util.find_spec("selective_scan_cuda") is None:
        return False, "selective_scan_cuda is not installed (pip install 'tbpsbench[mamba]', needs nvcc)"
    return True, ""


def _check(u_BLE: Tensor, dt_BLE: Tensor, A_EN: Tensor, B_BLN: Tensor, C_BLN: Tensor) -> None:
    if u_BLE.ndim != 3 or A_EN.ndim != 2 or u_BLE.shape[1] == 0:
        raise ValueError(f"u is (B, L, E) with L > 0 and A (E, N); got {tuple(u_BLE.shape)} and {tuple(A_EN.shape)}")
    (batch, length, channels), state = u_BLE.shape, A_EN.shape[1]
    wanted = {"dt": (dt_BLE, (batch, length, channels)), "A": (A_EN, (channels, state))}
    wanted |= {"B": (B_BLN, (batch, length, state)), "C": (C_BLN, (batch, length, state))}
    for name, (tensor, shape) in wanted.items():
        if tensor.shape != shape:
            raise ValueError(f"{name} is {tuple(tensor.shape)}, expected {shape}")


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
        length, batch, channels = u_LBE.shape
        every = math.isqrt(length - 1) + 1
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
        ctx.save_for_backward(u_LBE, dt_LBE, A_NE, B_LBN, C_LBN, kept)
        ctx.every = every
        return y_LBE

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gy_LBE: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        u_LBE, dt_LBE, A_NE, B_LBN, C_LBN, kept = ctx.saved_tensors
        gy_LBE, written_LBE = gy_LBE.contiguous(), dt_LBE * u_LBE
        gx_BNE, spare_BNE, gA_BNE = (torch.zeros_like(kept[0]) for _ in range(3))
        g_written_LBE, g_dt_LBE = torch.empty_like(u_LBE), torch.empty_like(u_LBE)
        gB_LBN, gC_LBN = torch.empty_like(B_LBN), torch.empty_like(C_LBN)
        B_LBN1, C_LBN1 = B_LBN.unsqueeze(-1), C_LBN.unsqueeze(-1)
        for t, before_BNE, x_BNE, decay_BNE in _backwards(dt_LBE, written_LBE, A_NE, B_LBN1, kept, ctx.every):
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
        return g_written_LBE.mul_(dt_LBE), g_dt_LBE, gA_BNE.sum(0), gB_LBN, gC_LBN, None


def _decay(dt_BE: Tensor, rates_NE: Tensor, out_BNE: Tensor) -> None:
    """exp(dt A), with the rates in powers of two: torch's exp2 is up to three times as fast as its exp on a CPU."""
    torch.exp2(torch.mul(dt_BE[:, None], rates_NE, out=out_BNE), out=out_BNE)


def _backwards(
    dt_LBE: Tensor, written_LBE: Tensor, A_NE: Tensor, B_LBN1: Tensor, kept: Tensor, every: int
) -> Iterator[tuple[int, Tensor, Tensor, Tensor]]:
    """From the last position to the first: (t, x_{t-1}, x_t, decay at t); one segment of states exists at a time."""
    length, rates_NE = len(dt_LBE), A_NE * LOG2_E
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


def _mamba_ssm(
    u_BLE: Tensor,
    dt_BLE: Tensor,
    A_EN: Tensor,
    B_BLN: Tensor,
    C_BLN: Tensor,
    D_E: Tensor | None,
    z_BLE: Tensor | None,
    dt_bias_E: Tensor | None,
) -> Tensor:
    """The same by mamba_ssm's CUDA kernel, which wants (B, E, L), and float32 for A, D and the bias."""
    from mamba_ssm.ops.selective_scan_interface import selective_scan_fn

    u, dt, B, C = (x.transpose(1, 2).contiguous() for x in (u_BLE, dt_BLE, B_BLN, C_BLN))
    z = None if z_BLE is None else z_BLE.transpose(1, 2).contiguous()
    D, bias = (None if x is None else x.float() for x in (D_E, dt_bias_E))
    return selective_scan_fn(u, dt, A_EN.float(), B, C, D, z=z, delta_bias=bias, delta_softplus=True).transpose(1, 2)
