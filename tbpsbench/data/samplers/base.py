"""What a sampler promises: an order of the training pairs that depends on (seed, epoch) alone, shared by processes.

Shapes: N training pairs.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence

import numpy as np
import torch.distributed as dist
from torch.utils.data import Sampler

from tbpsbench.data.randomness import sample_rng


class TrainSampler(Sampler[int], ABC):
    """Base of the slot SAMPLERS.

    A sampler makes the order of all processes together, `order`; each process walks its share. A global batch of
    `batch_size` pairs is cut into `world_size` equal pieces, so that the processes together see exactly the batches
    that one process would see.

    Args:
        pids: (N,) label of every training pair; supplied by the framework.
        batch_size: pairs per step over all processes; supplied by the framework.
        seed: supplied by the framework.
        rank, world_size: this process and their number; None asks torch.distributed.

    Raises:
        ValueError: if `batch_size` cannot be shared equally.
    """

    def __init__(
        self,
        pids: Sequence[int] | np.ndarray,
        batch_size: int,
        seed: int,
        rank: int | None = None,
        world_size: int | None = None,
    ) -> None:
        initialised = dist.is_available() and dist.is_initialized()
        self.world_size = world_size if world_size is not None else (dist.get_world_size() if initialised else 1)
        self.rank = rank if rank is not None else (dist.get_rank() if initialised else 0)
        if not 0 <= self.rank < self.world_size:
            raise ValueError(f"rank {self.rank} is not below world_size {self.world_size}")
        if batch_size < 1 or batch_size % self.world_size:
            raise ValueError(f"batch_size {batch_size} cannot be shared equally by {self.world_size} processes")
        self.pids, self.batch_size, self.seed = np.asarray(pids, dtype=np.int64), batch_size, seed
        self.epoch = 0

    @abstractmethod
    def order(self, rng: np.random.Generator) -> np.ndarray:
        """The epoch's order for all processes: global batches one after the other, (M,) int64.

        M must be the same in every epoch and must be a multiple of `batch_size`, save for a last batch that is
        smaller.
        """

    @abstractmethod
    def size(self) -> int:
        """M, the length of `order`."""

    @property
    def local_batch_size(self) -> int:
        """Pairs per step of one process: what its DataLoader is given."""
        return self.batch_size // self.world_size

    def set_epoch(self, epoch: int) -> None:
        """Make the order of `epoch` (>= 0) from now on."""
        self.epoch = epoch

    def __iter__(self) -> Iterator[int]:
        order = self.order(sample_rng(self.seed, self.epoch, 0, "order"))
        full = len(order) - len(order) % self.batch_size
        piece = self.local_batch_size
        for start in range(self.rank * piece, full, self.batch_size):
            yield from order[start : start + piece].tolist()
        # The last, smaller batch: equal pieces too, filled up from the epoch's beginning so that no process waits.
        rest = len(order) - full
        if rest:
            piece = -(-rest // self.world_size)
            filled = np.resize(np.concatenate([order[full:], order]), piece * self.world_size)
            yield from filled[self.rank * piece : (self.rank + 1) * piece].tolist()

    def __len__(self) -> int:
        full, rest = divmod(self.size(), self.batch_size)
        return full * self.local_batch_size + -(-rest // self.world_size)
