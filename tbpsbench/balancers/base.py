"""What a balancer promises: one scalar to optimise from several losses."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping

from torch import Tensor, nn

from tbpsbench.types import LossOutput


class Balancer(nn.Module, ABC):
    """Base of the slot BALANCERS.

    It runs inside `PersonSearchModel.parse_losses`, the one place that every mmengine wrapper calls. Task weights that
    it learns are buffers, updated by an optimiser of its own, so that they are saved and equal in all processes.

    Context arguments: `names`, the names of the losses.
    """

    @abstractmethod
    def forward(self, losses: Mapping[str, LossOutput]) -> tuple[Tensor, dict[str, Tensor]]:
        """The scalar that is optimised, and the weights for the log."""
