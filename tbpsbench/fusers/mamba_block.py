"""One Mamba layer (Gu and Dao 2023, figure 3), with the parameters of `mamba_ssm.Mamba`, name by name.

A state dict moves between the two in both directions. Where `mamba_ssm`'s compiled scan is installed the layer uses it
for tensors on CUDA; everywhere else the plain-torch scan gives the same numbers.

Shapes: B batch, L positions, D width, E = expand * D channels, N state size, K taps, R rank of the step size.
"""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import linear, pad, silu

from tbpsbench.kernels.selective_scan import selective_scan
from tbpsbench.layers.ranges import require_positive


class MambaBlock(nn.Module):
    """in_proj, causal depthwise convolution, selective scan, gate, out_proj: (B, L, D) -> (B, L, D).

    Args:
        d_model: D.
        d_state: N.
        d_conv: K.
        expand: E / D.
        dt_rank: R; "auto" is D / 16, rounded up.
        dt_min, dt_max: step sizes at the start are drawn from here, uniformly in their logarithm.

    Raises:
        ValueError: if a size or step size is not positive.
    """

    def __init__(
        self,
        d_model: int,
        d_state: int = 16,
        d_conv: int = 4,
        expand: int = 2,
        dt_rank: int | Literal["auto"] = "auto",
        dt_min: float = 0.001,
        dt_max: float = 0.1,
    ) -> None:
        super().__init__()
        require_positive(d_model=d_model, d_state=d_state, d_conv=d_conv, expand=expand, dt_min=dt_min, dt_max=dt_max)
        inner, rank = expand * d_model, math.ceil(d_model / 16) if dt_rank == "auto" else dt_rank
        require_positive(dt_rank=rank)
        self.d_state, self.d_conv, self.dt_rank = d_state, d_conv, rank
        self.in_proj = nn.Linear(d_model, 2 * inner, bias=False)
        self.conv1d = nn.Conv1d(inner, inner, d_conv, groups=inner, padding=d_conv - 1)
        self.x_proj = nn.Linear(inner, rank + 2 * d_state, bias=False)
        self.dt_proj = nn.Linear(rank, inner)
        self.A_log = nn.Parameter(torch.arange(1.0, d_state + 1).log().repeat(inner, 1))
        self.D = nn.Parameter(torch.ones(inner))
        self.out_proj = nn.Linear(inner, d_model, bias=False)
        self._init_steps(dt_min, dt_max)

    @torch.no_grad()
    def _init_steps(self, dt_min: float, dt_max: float) -> None:
        """Step sizes between dt_min and dt_max for an input of zero (section 3.6 of the paper; as mamba_ssm does)."""
        nn.init.uniform_(self.dt_proj.weight, -(self.dt_rank**-0.5), self.dt_rank**-0.5)
        low, high = math.log(dt_min), math.log(dt_max)
        dt_E = torch.exp(torch.rand_like(self.dt_proj.bias) * (high - low) + low).clamp(min=1e-4)
        self.dt_proj.bias.copy_(dt_E + torch.log(-torch.expm1(-dt_E)))  # the inverse of softplus

    def forward(self, x_BLD: Tensor) -> Tensor:
        """Every position sees itself and what comes before it."""
        u_BLE, z_BLE = self.in_proj(x_BLD).chunk(2, dim=-1)
        u_BLE = silu(self._convolve(u_BLE))
        dt_BLR, B_BLN, C_BLN = self.x_proj(u_BLE).split([self.dt_rank, self.d_state, self.d_state], dim=-1)
        dt_BLE = linear(dt_BLR, self.dt_proj.weight)  # the scan adds the bias, in float32
        A_EN = -torch.exp(self.A_log.float() if self.A_log.dtype != torch.float64 else self.A_log)
        y_BLE = selective_scan(u_BLE, dt_BLE, A_EN, B_BLN, C_BLN, self.D, z_BLE, self.dt_proj.bias)
        return self.out_proj(y_BLE)

    def _convolve(self, u_BLE: Tensor) -> Tensor:
        """The depthwise convolution over this and the K - 1 positions before, zeros before the first.

        Written as a sum of shifted copies: no transpose to (B, E, L), and one position costs one product.
        """
        taps_KE, bias_E = self.conv1d.weight.squeeze(1).t(), self.conv1d.bias
        length = u_BLE.shape[1]
        y_BLE = torch.addcmul(bias_E, u_BLE, taps_KE[-1]) if bias_E is not None else u_BLE * taps_KE[-1]
        for back in range(1, min(self.d_conv, length)):
            y_BLE = y_BLE + pad(u_BLE[:, : length - back] * taps_KE[-1 - back], (0, 0, back, 0))
        return y_BLE
