"""Show a caption of another file now and then: translated back (TBPS-CLIP), paraphrased, generated."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

import numpy as np

from tbpsbench.data.text_transforms.base import TextTransform
from tbpsbench.data.transforms.base import check_probability
from tbpsbench.registry import TEXT_TRANSFORMS


@TEXT_TRANSFORMS.register()
class CaptionMix(TextTransform):
    """With probability `p` take one of the captions that `data.more_captions` has for this one instead.

    The file is drawn first, then one of its captions; a caption for which no file has anything stays. What earlier
    transforms did to the caption is lost with it: put this one first.

    Args:
        p: 0..1. TBPS-CLIP takes 0.1.

    Raises:
        ValueError: if `p` is no probability.
    """

    mixes: ClassVar[bool] = True

    def __init__(self, p: float = 0.1) -> None:
        self.p = check_probability(p)

    def rewrite(self, text: str, others: Mapping[str, Sequence[str]], rng: np.random.Generator) -> str:
        files = [captions for captions in others.values() if captions]
        if rng.random() >= self.p or not files:
            return text
        captions = files[int(rng.integers(len(files)))]
        return captions[int(rng.integers(len(captions)))]
