"""Mask tokens of the caption that every loss sees."""

from __future__ import annotations

import numpy as np

from tbpsbench.data.masking import MASK_PROBABILITY, TokenChanger
from tbpsbench.data.text_transforms.base import TextTransform
from tbpsbench.data.tokenizers.base import Tokenizer
from tbpsbench.data.transforms.base import check_probability
from tbpsbench.registry import TEXT_TRANSFORMS


@TEXT_TRANSFORMS.register()
class TokenMask(TextTransform):
    """Put the mask token in the place of each token with probability `p`; special tokens stay.

    A token is a word or a part of one, as the tokenizer cuts. There are no labels: a loss that predicts masked tokens
    takes `data.masked_tokens=True`.

    Args:
        tokenizer: one with a mask token; supplied.
        p: 0..1.

    Raises:
        ValueError: if `p` is no probability.
        ConfigError: if the tokenizer has no mask token.
    """

    def __init__(self, tokenizer: Tokenizer, p: float = MASK_PROBABILITY) -> None:
        self.p, self._changer = check_probability(p), TokenChanger(tokenizer)

    def change(self, ids_T: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        chosen_T = self._changer.chosen(ids_T, rng, self.p)
        return np.where(chosen_T, self._changer.mask_id, ids_T).astype(ids_T.dtype)
