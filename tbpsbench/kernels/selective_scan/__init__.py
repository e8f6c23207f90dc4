"""The selective scan of Mamba (Gu and Dao 2023, section 3.2, Algorithm 2).

    x_t = exp(dt_t A) x_{t-1} + dt_t B_t u_t,   x_0 = 0,      y_t = C_t x_t + D u_t

with u, dt per channel, B and C per position, A and D learnt. Ways to the same numbers:

- one position: a closed form in plain torch, on every device.
- `mamba_ssm`'s kernel, for tensors on CUDA where its compiled part is there (not with TBPSBENCH_KERNELS=triton).
- Triton kernels, for other tensors on CUDA: nobody has to compile CUDA code to train with it.
- a loop over positions inside one autograd function in plain torch, everywhere else.

`naive` is the definition.

Shapes: B batch, L positions, E channels, N state size.
"""

from __future__ import annotations

import functools
import importlib.util

from torch import Tensor, compiler

from ..dispatch import wanted
from . import op
from .torch import scan
from .torch import selective_scan as _in_torch

__all__ = ["cuda_kernel", "scan", "selective_scan"]


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
        KernelError: if TBPSBENCH_KERNELS=triton and Triton cannot be used.
    """
    inputs = (u_BLE, dt_BLE, A_EN, B_BLN, C_BLN, D_E, z_BLE, dt_bias_E)
    _check(*inputs)
    if u_BLE.shape[1] == 1:
        return _in_torch(*inputs)
    if u_BLE.is_cuda and wanted() == "auto" and cuda_kernel()[0]:
        return _mamba_ssm(*inputs)
    if compiler.is_compiling():  # An operator is opaque to it; it would unroll the loop over positions.
        return op.scan(*inputs, op.wants_gradients(*inputs))[0]
    return _in_torch(*inputs) if op.which(u_BLE) == "torch" else op.in_triton(*inputs)


@functools.cache
def cuda_kernel() -> tuple[bool, str]:
    """Whether mamba_ssm's compiled scan is installed, and why not.

    That `mamba_ssm` is installed proves nothing: newer releases come without the compiled part and fail when called.
    """
    if importlib.util.find_spec("selective_scan_cuda") is None:
        return False, "selective_scan_cuda is not installed (pip install 'tbpsbench[mamba]', needs nvcc)"
    return True, ""


def _check(
    u_BLE: Tensor,
    dt_BLE: Tensor,
    A_EN: Tensor,
    B_BLN: Tensor,
    C_BLN: Tensor,
    D_E: Tensor | None,
    z_BLE: Tensor | None,
    dt_bias_E: Tensor | None,
) -> None:
    if u_BLE.ndim != 3 or A_EN.ndim != 2 or u_BLE.shape[1] == 0:
        raise ValueError(f"u is (B, L, E) with L > 0 and A (E, N); got {tuple(u_BLE.shape)} and {tuple(A_EN.shape)}")
    (batch, length, channels), state = u_BLE.shape, A_EN.shape[1]
    wide, narrow, each = (batch, length, channels), (batch, length, state), (channels,)
    expected = (
        ("dt", dt_BLE, wide), ("A", A_EN, (channels, state)), ("B", B_BLN, narrow), ("C", C_BLN, narrow),
        ("D", D_E, each), ("z", z_BLE, wide), ("dt_bias", dt_bias_E, each),
    )  # fmt: skip
    for name, tensor, shape in expected:
        if tensor is not None and tensor.shape != shape:
            raise ValueError(f"{name} is {tuple(tensor.shape)}, expected {shape}")


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
