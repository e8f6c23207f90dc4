"""HSIC between two features as a loss (BDAM, eq. 2; Gretton et al. 2005, Song et al. 2012, Kornblith et al. 2019).

Shapes: B rows of this process, N rows of the joined batch, D and E widths. `_BD` means (B, D).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Literal

import torch
from torch import Tensor

from tbpsbench.distributed import gather_rows, joint_rows, sum_over_processes, world_size
from tbpsbench.kernels.hsic import MIN_ROWS, hsic, linear_by_width, width_is_cheaper
from tbpsbench.kernels.precision import at_least_float32
from tbpsbench.losses.base import Loss
from tbpsbench.registry import LOSSES
from tbpsbench.types import Batch, Features, LossOutput


@LOSSES.register(requires=("x", "y"))
class HSIC(Loss):
    """Make two features statistically independent of each other.

    Args:
        x, y: names of the features, (B, D) and (B, E).
        kernel: "linear", as in the paper, or "rbf".
        sigma: width of the RBF kernel, > 0, or "median": the median distance within each feature.
        estimator: "biased", as in the paper, or "unbiased", which may be negative. A batch with fewer rows than the
            estimator needs (2, 4) costs 0 and moves nothing.
        normalize: divide by the root of both features' HSIC with themselves (centred kernel alignment): at most 1,
            whatever the scale of the features. A feature that is the same in all rows gives 0.

    Raises:
        ValueError: if `sigma` is not positive, or given without the RBF kernel.
    """

    balanced = False

    def __init__(
        self,
        x: str = "identity",
        y: str = "clothing",
        kernel: Literal["linear", "rbf"] = "linear",
        sigma: float | Literal["median"] = "median",
        estimator: Literal["biased", "unbiased"] = "biased",
        *,
        normalize: bool = False,
    ) -> None:
        super().__init__()
        if sigma != "median" and (kernel == "linear" or not 0 < sigma < math.inf):
            raise ValueError(
                f"sigma is 'median' or a finite number above 0, and the RBF kernel's; got {sigma!r} for {kernel}"
            )
        self.x, self.y, self.kernel, self.sigma = x, y, kernel, sigma
        self.estimator, self.normalize = estimator, normalize

    def forward(self, features: Features, batch: Batch) -> LossOutput:  # noqa: ARG002
        """The HSIC of the joined batch of all processes; it is not a sum over samples."""
        x_BD, y_BE = features[self.x], features[self.y]
        # GPUs multiply half precision as it is; between processes float32 travels.
        if not x_BD.is_cuda or world_size() > 1:
            x_BD, y_BE = at_least_float32(x_BD), at_least_float32(y_BE)
        rows = joint_rows(x_BD)
        if rows < MIN_ROWS[self.estimator]:
            return LossOutput(0 * (at_least_float32(x_BD).sum() + at_least_float32(y_BE).sum()))
        measure: Callable[[Tensor, Tensor], Tensor]
        measure = partial(hsic, kernel=self.kernel, sigma=self.sigma, estimator=self.estimator)
        if world_size() > 1:
            if self.kernel == "linear" and width_is_cheaper(rows, x_BD.shape[1], y_BE.shape[1]):
                unbiased, processes = self.estimator == "unbiased", world_size()
                measure = partial(linear_by_width, unbiased=unbiased, reduce=sum_over_processes, processes=processes)
            else:
                x_BD, y_BE = gather_rows(x_BD), gather_rows(y_BE)
        value = measure(x_BD, y_BE)
        if self.normalize:
            own_x = measure(x_BD, x_BD).clamp(min=self._floor(at_least_float32(x_BD), rows))
            own_y = measure(y_BE, y_BE).clamp(min=self._floor(at_least_float32(y_BE), rows))
            value = value / (own_x.sqrt() * own_y.sqrt())
        return LossOutput(value)

    def _floor(self, z_BD: Tensor, rows: int) -> Tensor:
        """What rounding alone may leave of a feature that is the same in all rows; a scalar."""
        rounding = (16 * torch.finfo(z_BD.dtype).eps) ** 2
        if self.kernel == "rbf":
            return z_BD.new_tensor(rounding)
        energy = z_BD.detach().square().sum()
        if len(z_BD) < rows:
            energy = sum_over_processes(energy)
        return (rounding * energy / (rows - 1)).square().clamp(min=torch.finfo(z_BD.dtype).tiny)
