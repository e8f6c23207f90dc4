"""Weights from uncertainty (Kendall, Gal and Cipolla 2018, eq. 10, the form for softmax likelihoods).

Shapes: K balanced losses.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from tbpsbench.balancers.adam import BufferAdam
from tbpsbench.balancers.base import Balancer, balanced_tasks, fixed_weights
from tbpsbench.distributed import mean_over_processes
from tbpsbench.registry import BALANCERS
from tbpsbench.types import LossOutput


@BALANCERS.register()
class Uncertainty(Balancer):
    """The sum of L_k / sigma_k^2 + log sigma_k, with one log-variance s_k = log sigma_k^2 per loss.

    The log-variances are buffers with an Adam of their own, not parameters of the network's optimiser: neither its
    weight decay nor its schedule reaches them. A loss that stays at L gets the weight 1 / (2 L).

    Args:
        names: names of the losses, supplied by the model.
        balanced: which of them are balanced by default, supplied by the model; HSIC and gate terms are not.
        balance: losses that are balanced; None: all but regularisers.
        weights: constant weights of the others, 1 where not named.
        lr: learning rate of the log-variances.
        bounds: smallest and largest weight; a loss that reaches zero would have an infinite one.

    Raises:
        ValueError: for names that are no losses, or numbers out of range.
    """

    log_variance_K: Tensor

    def __init__(
        self,
        names: tuple[str, ...],
        balanced: tuple[str, ...],
        balance: list[str] | None = None,
        weights: dict[str, float] | None = None,
        lr: float = 0.025,
        *,
        bounds: tuple[float, float] = (1e-4, 10.0),
    ) -> None:
        super().__init__()
        if not 0 < bounds[0] <= 1 <= bounds[1] < math.inf:
            raise ValueError(f"bounds need 0 < low <= 1 <= high, both finite, since weights start at 1; got {bounds}")
        self.tasks = balanced_tasks(names, balanced, balance, weights)
        self.fixed = fixed_weights(names, weights, self.tasks)
        self.bounds = bounds
        self.register_buffer("log_variance_K", torch.zeros(len(self.tasks)))
        self.adam = BufferAdam(len(self.tasks), lr)

    def forward(self, losses: Mapping[str, LossOutput]) -> tuple[Tensor, dict[str, Tensor]]:
        """The sum, with the log-variances from before this batch; then they learn from it."""
        weight_K = (-self.log_variance_K).exp()
        weights: dict[str, Tensor | float] = {**self.fixed, **dict(zip(self.tasks, weight_K, strict=True))}
        total = torch.stack([weights[name] * loss.value for name, loss in losses.items()]).sum()
        total = total + self.log_variance_K.sum() / 2
        if self.training and torch.is_grad_enabled():
            loss_K = mean_over_processes(torch.stack([losses[name].value.detach().float() for name in self.tasks]))
            if loss_K.isfinite().all():
                self.adam.step(self.log_variance_K, 0.5 - weight_K * loss_K)
                low, high = self.bounds
                self.log_variance_K.clamp_(-math.log(high), -math.log(low))
        return total, {f"weight_{name}": weight for name, weight in zip(self.tasks, weight_K, strict=True)}
