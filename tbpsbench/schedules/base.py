"""What a schedule promises: the factor of the learning rate as a closed form of time."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from numbers import Real


class Schedule(ABC):
    """Base of the slot SCHEDULES.

    A schedule knows the time alone and remembers nothing, so that a resumed run needs no history. The warm-up
    (`schedule.warmup_epochs`) is the run's: a schedule is asked for times after it, counted from the start of the run.

    Context arguments: `max_epochs`, `warmup_epochs` of the run.
    """

    @abstractmethod
    def factor(self, epoch: float) -> float:
        """Factor of every group's learning rate, finite and 0 or more.

        Args:
            epoch: time in epochs from the start of the run; fractional where the rate changes every iteration.
        """


def usable(factor: object) -> bool:
    """Whether a rate can be multiplied with what a schedule gave."""
    return isinstance(factor, Real) and 0 <= float(factor) < math.inf
