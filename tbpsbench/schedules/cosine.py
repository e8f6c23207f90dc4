"""Half a cosine from 1 down to a floor."""

from __future__ import annotations

import math

from tbpsbench.registry import SCHEDULES
from tbpsbench.schedules.base import Schedule


@SCHEDULES.register("cosine")
class Cosine(Schedule):
    """m + (1 - m) (1 + cos(pi (e - E_w) / (T - E_w))) / 2 at epoch e of T, after E_w epochs of warm-up.

    Args:
        max_epochs, warmup_epochs: T and E_w, supplied by the run.
        min_factor: m, where it ends.
    """

    def __init__(self, max_epochs: int, warmup_epochs: float, min_factor: float = 0.0) -> None:
        self.max_epochs, self.warmup_epochs, self.min_factor = max_epochs, warmup_epochs, min_factor

    def factor(self, epoch: float) -> float:
        """1 at the end of the warm-up, `min_factor` at the end of the run."""
        progress = (epoch - self.warmup_epochs) / max(self.max_epochs - self.warmup_epochs, 1e-9)
        return self.min_factor + (1 - self.min_factor) * 0.5 * (1 + math.cos(math.pi * min(progress, 1.0)))
