"""P identities with K pairs each in every batch, for losses that need several images of a person (P x K sampling)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tbpsbench.data.samplers.base import TrainSampler
from tbpsbench.registry import SAMPLERS


@SAMPLERS.register()
class IdentityBalanced(TrainSampler):
    """Every batch holds batch_size / instances identities, `instances` pairs of each.

    An identity's pairs are shuffled and cut into groups of K; what does not fill a group is left out of this epoch
    (an identity with fewer than K pairs gives one group, pairs repeated). As many batches are made as the groups allow
    with no identity twice in a batch; that number is the same in every epoch.

    Args:
        pids, batch_size, seed: supplied by the framework.
        instances: K; must divide the share of the batch of each process.
        rank, world_size: see TrainSampler.

    Raises:
        ValueError: if K does not divide the batch, or there are fewer than P identities.
    """

    def __init__(
        self,
        pids: Sequence[int] | np.ndarray,
        batch_size: int,
        seed: int,
        instances: int = 4,
        rank: int | None = None,
        world_size: int | None = None,
    ) -> None:
        super().__init__(pids, batch_size, seed, rank, world_size)
        if instances < 1 or self.local_batch_size % instances:
            raise ValueError(f"instances {instances} does not divide the {self.local_batch_size} pairs of a batch")
        self.instances, self.identities = instances, batch_size // instances
        in_order = np.argsort(self.pids, kind="stable")
        self._members = np.split(in_order, np.flatnonzero(np.diff(self.pids[in_order])) + 1)
        if len(self._members) < self.identities:
            raise ValueError(
                f"a batch of {batch_size} with {instances} pairs per identity needs {self.identities} identities, "
                f"there are {len(self._members)}: lower batch_size"
            )
        self._groups = np.array([max(len(members) // instances, 1) for members in self._members])
        self._batches = most_batches(self._groups, self.identities)

    def size(self) -> int:
        return self._batches * self.batch_size

    def order(self, rng: np.random.Generator) -> np.ndarray:
        slots = self._slots(rng)
        batches = np.empty((self._batches, self.identities, self.instances), dtype=np.int64)
        filled = np.zeros(self._batches, dtype=np.int64)
        for positions in np.split(np.arange(len(slots)), np.flatnonzero(np.diff(slots)) + 1):
            where = positions % self._batches
            groups = self._draw(self._members[slots[positions[0]]], len(where), rng)
            batches[where, filled[where]] = groups
            filled[where] += 1
        batches = batches[rng.permutation(self._batches)]
        for batch in batches:
            rng.shuffle(batch)
        return batches.reshape(-1)

    def _slots(self, rng: np.random.Generator) -> np.ndarray:
        """Identity of every group that is used, those of one identity next to each other.

        Group number s goes to batch s mod batches. No identity has more groups than there are batches, so none is
        twice in a batch.
        """
        usable = np.minimum(self._groups, self._batches)
        identity = rng.permutation(len(usable))
        slots = np.repeat(identity, usable[identity])
        chosen = np.sort(rng.choice(len(slots), self._batches * self.identities, replace=False))
        return slots[chosen]

    def _draw(self, members: np.ndarray, groups: int, rng: np.random.Generator) -> np.ndarray:
        """(groups, K) pairs of one identity."""
        shuffled = rng.permutation(members)
        if len(shuffled) < self.instances:
            shuffled = np.concatenate([shuffled, rng.choice(members, self.instances - len(members))])
        return shuffled[: groups * self.instances].reshape(groups, self.instances)


def most_batches(groups: np.ndarray, identities: int) -> int:
    """The most batches of `identities` different identities each that these numbers of groups allow."""
    low, high = 1, int(groups.sum()) // identities
    while low < high:
        middle = (low + high + 1) // 2
        if np.minimum(groups, middle).sum() >= middle * identities:
            low = middle
        else:
            high = middle - 1
    return low
