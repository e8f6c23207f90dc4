"""The rate of the config, unchanged."""

from __future__ import annotations

from tbpsbench.registry import SCHEDULES
from tbpsbench.schedules.base import Schedule


@SCHEDULES.register("constant")
class Constant(Schedule):
    """1 at any time."""

    def factor(self, epoch: float) -> float:  # noqa: ARG002
        """1."""
        return 1.0
