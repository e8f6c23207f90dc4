"""Batch norm whose statistics are those of the joined batch of all processes (Ioffe & Szegedy 2015).

torch's SyncBatchNorm refuses CPU tensors and single-GPU tests; this one is plain tensor arithmetic around an all-reduce
and gives in two processes, to float tolerance, the outputs and gradients of one process on the joined batch.

Shapes: N rows of this process, D features; B images of this process, h x w places.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from tbpsbench.distributed import sum_over_processes, world_size


class BatchNorm(nn.Module):
    """Normalise every feature over all axes but the last, and over processes.

    Processes may bring different numbers of rows. In evaluation, and in training where `frozen`, the running
    statistics normalise; weight and bias are learnt in either case. Names and defaults are nn.BatchNorm1d's, save for
    `num_batches_tracked`, which a fixed momentum does not need.

    Args:
        dim: D.
        eps: added to the variance.
        momentum: share of a new batch in the running statistics.
        frozen: keep the running statistics as they are and train with them.

    Raises:
        ValueError: if `dim` or `eps` is not positive or `momentum` not in 0..1.
    """

    running_mean: Tensor
    running_var: Tensor

    def __init__(self, dim: int, eps: float = 1e-5, momentum: float = 0.1, *, frozen: bool = False) -> None:
        super().__init__()
        if dim < 1 or eps <= 0 or not 0 <= momentum <= 1:
            raise ValueError(f"dim ({dim}) and eps ({eps}) must be positive, momentum ({momentum}) in 0..1")
        self.eps, self.momentum, self.frozen = eps, momentum, frozen
        self.weight, self.bias = nn.Parameter(torch.ones(dim)), nn.Parameter(torch.zeros(dim))
        self.register_buffer("running_mean", torch.zeros(dim))
        self.register_buffer("running_var", torch.ones(dim))

    def extra_repr(self) -> str:
        """Settings, for print(model)."""
        return f"{len(self.weight)}, eps={self.eps}, momentum={self.momentum}, frozen={self.frozen}"

    def forward(self, x: Tensor) -> Tensor:
        """Normalise (..., D); half precision is normalised in float32 and comes back as it was."""
        x_ND = x.reshape(-1, x.shape[-1])
        x_ND = x_ND if x.dtype == torch.float64 else x_ND.float()
        mean_D, var_D = self._statistics(x_ND)
        scale_D = self.weight * torch.rsqrt(var_D + self.eps)
        return ((x_ND - mean_D) * scale_D + self.bias).to(x.dtype).reshape(x.shape)

    def _statistics(self, x_ND: Tensor) -> tuple[Tensor, Tensor]:
        if not self.training or self.frozen:
            return self.running_mean, self.running_var
        return _joint_statistics(x_ND, self.running_mean, self.running_var, self.momentum)


class BatchNorm2d(nn.BatchNorm2d):
    """nn.BatchNorm2d over the images of all processes; in one process it is torch's own, to the last bit.

    Args:
        dim: D.
    """

    running_mean: Tensor
    running_var: Tensor
    num_batches_tracked: Tensor
    momentum: float

    def __init__(self, dim: int) -> None:
        super().__init__(dim)

    def forward(self, x_BDhw: Tensor) -> Tensor:
        """Normalise (B, D, h, w)."""
        if not self.training or world_size() == 1:
            return super().forward(x_BDhw)
        x_BhwD = x_BDhw.movedim(1, -1)
        x_ND = x_BhwD.reshape(-1, x_BhwD.shape[-1])
        x_ND = x_ND if x_BDhw.dtype == torch.float64 else x_ND.float()
        mean_D, var_D = _joint_statistics(x_ND, self.running_mean, self.running_var, self.momentum)
        self.num_batches_tracked.add_(1)
        out_ND = (x_ND - mean_D) * (self.weight * torch.rsqrt(var_D + self.eps)) + self.bias
        return out_ND.to(x_BDhw.dtype).reshape(x_BhwD.shape).movedim(-1, 1)


def _joint_statistics(
    x_ND: Tensor, running_mean_D: Tensor, running_var_D: Tensor, momentum: float
) -> tuple[Tensor, Tensor]:
    """Mean and biased variance of the rows of all processes; the running ones take their share of them."""
    count = sum_over_processes(x_ND.new_tensor(float(len(x_ND)))).clamp(min=1.0)
    # Two passes: the mean of squares minus the square of the mean loses digits.
    mean_D = sum_over_processes(x_ND.sum(dim=0)) / count
    var_D = sum_over_processes((x_ND - mean_D).square().sum(dim=0)) / count
    with torch.no_grad():
        unbiased_D = var_D * count / (count - 1).clamp(min=1.0)
        running_mean_D.lerp_(mean_D.to(running_mean_D.dtype), momentum)
        running_var_D.lerp_(unbiased_D.to(running_var_D.dtype), momentum)
    return mean_D, var_D
