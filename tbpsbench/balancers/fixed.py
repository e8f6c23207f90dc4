"""Constant weights."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from tbpsbench.balancers.base import Balancer, fixed_weights
from tbpsbench.registry import BALANCERS
from tbpsbench.types import LossOutput


@BALANCERS.register()
class Fixed(Balancer):
    """The weighted sum of the losses.

    Args:
        names: names of the losses, supplied by the model.
        weights: loss name -> weight; 1 where not named.

    Raises:
        ValueError: if a weight names no loss or is not finite.
    """

    def __init__(self, names: tuple[str, ...], weights: dict[str, float] | None = None) -> None:
        super().__init__()
        self.weights = fixed_weights(names, weights)

    def forward(self, losses: Mapping[str, LossOutput]) -> tuple[Tensor, dict[str, Tensor]]:
        """Sum of weight x value."""
        total = torch.stack([self.weights[name] * loss.value for name, loss in losses.items()]).sum()
        return total, {}
