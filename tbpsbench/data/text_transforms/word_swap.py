"""Exchange words at random: random swap of EDA (Wei and Zou 2019)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from tbpsbench.data.text_transforms.base import TextTransform
from tbpsbench.data.transforms.base import check_probability
from tbpsbench.registry import TEXT_TRANSFORMS

MOST_SWAPS = 1000  # as many as the longest caption has words


@TEXT_TRANSFORMS.register()
class WordSwap(TextTransform):
    """Let two words change places, `count` times.

    Args:
        count: exchanges, each of two other places drawn at random; 1..1000.
        p: probability that a caption is changed at all; 0..1.

    Raises:
        ValueError: if `count` is out of its range or `p` is no probability.
    """

    def __init__(self, count: int = 1, p: float = 1.0) -> None:
        if not 1 <= count <= MOST_SWAPS:
            raise ValueError(f"count is {count}, expected 1 to {MOST_SWAPS}")
        self.count, self.p = count, check_probability(p)

    def rewrite(self, text: str, others: Mapping[str, Sequence[str]], rng: np.random.Generator) -> str:  # noqa: ARG002
        words = text.split()
        if rng.random() >= self.p or len(words) < 2:
            return text
        for _ in range(self.count):
            first, second = rng.choice(len(words), size=2, replace=False)
            words[first], words[second] = words[second], words[first]
        return " ".join(words)
