"""Steps down at given epochs."""

from __future__ import annotations

from collections.abc import Sequence

from tbpsbench.registry import SCHEDULES
from tbpsbench.schedules.base import Schedule


@SCHEDULES.register("multistep")
class Multistep(Schedule):
    """Multiply by `gamma` at each milestone.

    Args:
        milestones: epochs.
        gamma: the factor of each.
    """

    def __init__(self, milestones: Sequence[int] = (), gamma: float = 0.1) -> None:
        self.milestones, self.gamma = milestones, gamma

    def factor(self, epoch: float) -> float:
        """`gamma` to the power of the milestones passed."""
        return float(self.gamma ** sum(epoch >= milestone for milestone in self.milestones))
