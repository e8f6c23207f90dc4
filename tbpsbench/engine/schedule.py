"""Learning rate as a closed form of time, so that a resumed run needs no history."""

from __future__ import annotations

import math

from tbpsbench.config.schema import ScheduleSection


def factor(schedule: ScheduleSection, epoch: float) -> float:
    """Factor of the learning rate at a time in epochs (fractional where the rate changes every iteration).

    Warm-up is linear, w + (1 - w) e / E_w for e < E_w; the cosine is
    m + (1 - m) (1 + cos(pi (e - E_w) / (T - E_w))) / 2. With 5 epochs from 0.1 and 60 in all these are IRRA's rates.
    """
    warm = schedule.warmup_epochs
    if epoch < warm:
        return schedule.warmup_factor + (1 - schedule.warmup_factor) * epoch / warm
    if schedule.type == "constant":
        return 1.0
    if schedule.type == "multistep":
        return float(schedule.gamma ** sum(epoch >= milestone for milestone in schedule.milestones))
    progress = (epoch - warm) / max(schedule.max_epochs - warm, 1e-9)
    return schedule.min_factor + (1 - schedule.min_factor) * 0.5 * (1 + math.cos(math.pi * min(progress, 1.0)))
