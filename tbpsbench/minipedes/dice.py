"""Random draws that give the same integers on every machine and NumPy version.

Only the raw 64-bit output of the counter-based Philox generator is used: NumPy guarantees that stream, while the
methods of `numpy.random.Generator` may change between versions. Every draw is an integer. A stream is keyed by a seed,
a purpose and numbers (person, outfit, image), so any image can be drawn alone and in any order.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TypeVar

import numpy as np

T = TypeVar("T")


class Dice:
    """A stream of integer draws.

    Args:
        seed: seed of the data set.
        purpose: what is drawn, e.g. "identity" or "noise"; different purposes are independent streams.
        keys: numbers that select the stream, e.g. person and image.
    """

    def __init__(self, seed: int, purpose: str, *keys: int | str) -> None:
        digest = hashlib.sha256("/".join(map(str, (seed, purpose, *keys))).encode()).digest()
        self._philox = np.random.Philox(key=int.from_bytes(digest[:16], "little"))

    def below(self, bound: int) -> int:
        """An integer in 0 .. bound - 1."""
        return (int(self._philox.random_raw()) >> 32) * bound >> 32

    def between(self, low: int, high: int) -> int:
        """An integer in low .. high, both included."""
        return low + self.below(high - low + 1)

    def chance(self, percent: int) -> bool:
        """True in `percent` of 100 draws."""
        return self.below(100) < percent

    def pick(self, options: Sequence[T]) -> T:
        """One option, all equally likely."""
        return options[self.below(len(options))]

    def weighted(self, table: Sequence[tuple[T, int]]) -> T:
        """One value of a table of (value, weight)."""
        draw = self.below(sum(weight for _, weight in table))
        for value, weight in table:
            draw -= weight
            if draw < 0:
                return value
        raise ValueError("a table of weights must not be empty")

    def shuffled(self, options: Sequence[T]) -> list[T]:
        """The options in random order (Fisher-Yates)."""
        items = list(options)
        for last in range(len(items) - 1, 0, -1):
            other = self.below(last + 1)
            items[last], items[other] = items[other], items[last]
        return items

    def bytes(self, count: int) -> np.ndarray:
        """(count,) uint8 noise."""
        words = self._philox.random_raw((count + 7) // 8)
        return np.asarray(words).astype("<u8").view(np.uint8)[:count]
