"""Constant weights."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from tbpsbench.arguments import did_you_mean
from tbpsbench.balancers.base import Balancer
from tbpsbench.registry import BALANCERS
from tbpsbench.types import LossOutput


@BALANCERS.register()
class Fixed(Balancer):
    """The weighted sum of the losses.

    Args:
        names: names of the losses, supplied by the model.
        weights: loss name -> weight; 1 where not named.

    Raises:
        ValueError: if a weight names no loss.
    """

    def __init__(self, names: tuple[str, ...], weights: dict[str, float] | None = None) -> None:
        super().__init__()
        for name in weights or {}:
            if name not in names:
                raise ValueError(
                    f"a weight for {name!r}, but the losses are {', '.join(names)}.{did_you_mean(name, names)}"
                )
        self.weights = {name: float((weights or {}).get(name, 1.0)) for name in names}

    def forward(self, losses: Mapping[str, LossOutput]) -> tuple[Tensor, dict[str, Tensor]]:
        """Sum of weight x value."""
        total = torch.stack([self.weights[name] * loss.value for name, loss in losses.items()]).sum()
        return total, {}
