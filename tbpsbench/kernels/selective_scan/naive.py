"""The selective scan as Mamba's paper defines it (Gu and Dao 2023, section 3.2), in plain autograd.

Its backward pass keeps every state and takes time quadratic in L: for tests, benchmarks and self-checks.

Shapes: B batch, L positions, E channels, N state size.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import silu, softplus


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
    """x_t = exp(dt_t A) x_{t-1} + dt_t B_t u_t, y_t = (C_t x_t + D u_t) silu(z_t), with dt = softplus(dt + bias).

    Arguments as in `tbpsbench.kernels.selective_scan.selective_scan`; computed in their types, returned as `u` is.
    """
    dt_BLE = softplus(dt_BLE if dt_bias_E is None else dt_BLE + dt_bias_E)
    x_BEN = u_BLE.new_zeros(u_BLE.shape[0], *A_EN.shape)
    rows = []
    for u_BE, dt_BE, B_BN, C_BN in zip(*(x.unbind(1) for x in (u_BLE, dt_BLE, B_BLN, C_BLN)), strict=True):
        x_BEN = torch.exp(dt_BE[..., None] * A_EN) * x_BEN + (dt_BE * u_BE)[..., None] * B_BN[:, None]
        rows.append((x_BEN * C_BN[:, None]).sum(-1))
    y_BLE = torch.stack(rows, dim=1)
    if D_E is not None:
        y_BLE = y_BLE + D_E * u_BLE
    y_BLE = y_BLE if z_BLE is None else y_BLE * silu(z_BLE)
    return y_BLE.to(u_BLE.dtype)
