"""Learning rate as a closed form of time, so that a resumed run needs no history."""

from __future__ import annotations

from typing import Any

from tbpsbench import registry
from tbpsbench.config.open_sections import schedule_component
from tbpsbench.config.schema import ScheduleSection
from tbpsbench.errors import ConfigError
from tbpsbench.schedules.base import usable


class LearningRates:
    """Factor of the learning rate over the whole run: a linear warm-up, then the schedule that the config names.

    Args:
        section: the config's `schedule`.

    Raises:
        RegistryError: if the schedule cannot be built.
    """

    def __init__(self, section: ScheduleSection | Any) -> None:
        self.type, self.warm, self.first = section.type, section.warmup_epochs, section.warmup_factor
        self.schedule = registry.SCHEDULES.build(*schedule_component(vars(section)))

    def factor(self, epoch: float) -> float:
        """Factor at a time in epochs (fractional where the rate changes every iteration).

        Warm-up is linear, w + (1 - w) e / E_w for e < E_w; with 5 epochs from 0.1, 60 in all and a cosine these are
        IRRA's rates.

        Raises:
            ConfigError: if the schedule gives none that a rate can be multiplied with.
        """
        if epoch < self.warm:
            return float(self.first + (1 - self.first) * epoch / self.warm)
        found = self.schedule.factor(epoch)
        if not usable(found):
            raise ConfigError(
                f"schedule: {self.type} gives the factor {found!r} at epoch {epoch:g}, expected a finite number, "
                "0 or more"
            )
        return float(found)


def factor(schedule: ScheduleSection | Any, epoch: float) -> float:
    """Factor of the learning rate of a config's `schedule` at a time in epochs; see `LearningRates`."""
    return LearningRates(schedule).factor(epoch)
