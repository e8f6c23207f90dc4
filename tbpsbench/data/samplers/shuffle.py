"""Every pair once per epoch, in random order (what IRRA and RDE train with)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tbpsbench.data.samplers.base import TrainSampler
from tbpsbench.registry import SAMPLERS


@SAMPLERS.register()
class Shuffle(TrainSampler):
    """A new permutation every epoch.

    Args:
        pids, batch_size, seed: supplied by the framework.
        drop_last: leave out the last pairs that do not fill a batch; IRRA keeps them.
        rank, world_size: see TrainSampler.
    """

    def __init__(
        self,
        pids: Sequence[int] | np.ndarray,
        batch_size: int,
        seed: int,
        drop_last: bool = False,
        rank: int | None = None,
        world_size: int | None = None,
    ) -> None:
        super().__init__(pids, batch_size, seed, rank, world_size)
        self.drop_last = drop_last
        if drop_last and len(self.pids) < batch_size:
            raise ValueError(f"drop_last leaves nothing: {len(self.pids)} pairs, batch_size {batch_size}")

    def order(self, rng: np.random.Generator) -> np.ndarray:
        return rng.permutation(len(self.pids))[: self.size()]

    def size(self) -> int:
        number = len(self.pids)
        return number - number % self.batch_size if self.drop_last else number
