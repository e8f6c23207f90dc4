"""Delete words at random: random deletion of EDA (Wei and Zou 2019), which TBPS-CLIP applies to every caption."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from tbpsbench.data.text_transforms.base import TextTransform
from tbpsbench.data.transforms.base import check_probability
from tbpsbench.registry import TEXT_TRANSFORMS


@TEXT_TRANSFORMS.register()
class WordDrop(TextTransform):
    """Delete each word with probability `p`; where all would go, one of them stays, drawn at random.

    Words are what spaces separate, so punctuation goes with its word.

    Args:
        p: 0..1. TBPS-CLIP takes 0.05.

    Raises:
        ValueError: if `p` is no probability.
    """

    def __init__(self, p: float = 0.05) -> None:
        self.p = check_probability(p)

    def rewrite(self, text: str, others: Mapping[str, Sequence[str]], rng: np.random.Generator) -> str:  # noqa: ARG002
        words = text.split()
        kept = [word for word, drawn in zip(words, rng.random(len(words)), strict=True) if drawn >= self.p]
        if len(kept) == len(words):
            return text
        return " ".join(kept or [words[rng.integers(len(words))]])
