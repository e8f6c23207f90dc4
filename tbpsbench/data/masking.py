"""Random changes of token ids: masking for masked language modelling (IRRA) and noise as augmentation (RDE).

Shapes: T tokens of one text.
"""

from __future__ import annotations

import numpy as np

from tbpsbench.data.tokenizers.base import Tokenizer
from tbpsbench.errors import ConfigError

MASK_PROBABILITY = 0.15
NOISE_PROBABILITY = 0.2


class TokenChanger:
    """Knows which ids of a tokenizer may be changed, and into what.

    Args:
        tokenizer: one with a mask token.

    Raises:
        ConfigError: if it has none.
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        if tokenizer.mask_id is None:
            raise ConfigError(
                f"data.tokenizer: {type(tokenizer).__name__} has no mask token; masked_tokens, text_noise and "
                "TokenMask need one"
            )
        self.mask_id, self.pad_id = tokenizer.mask_id, tokenizer.pad_id
        self._special = np.zeros(tokenizer.vocab_size, dtype=bool)
        self._special[list(tokenizer.special_ids)] = True
        self._ordinary = np.flatnonzero(~self._special)

    def chosen(self, ids_T: np.ndarray, rng: np.random.Generator, p: float) -> np.ndarray:
        """(T,) bool: each token that is not special with probability `p`."""
        return ~self._special[ids_T] & (rng.random(len(ids_T)) < p)

    def mask(
        self, ids_T: np.ndarray, rng: np.random.Generator, p: float = MASK_PROBABILITY
    ) -> tuple[np.ndarray, np.ndarray]:
        """Masked ids and labels (IRRA, `datasets/bases.py`; the shares are BERT's).

        Every token that is not special is chosen with probability `p`; of those 80 % become the mask token, 10 % a
        random ordinary id, 10 % stay. A label is the original id where chosen and 0 elsewhere. If nothing was chosen,
        the first token that is not special is masked, position 1 as a rule; special tokens alone stay.
        """
        chosen_T = self.chosen(ids_T, rng, p)
        if not chosen_T.any():
            masked_T, labels_T = ids_T.copy(), np.full_like(ids_T, self.pad_id)
            first = np.flatnonzero(~self._special[ids_T])[:1]
            masked_T[first], labels_T[first] = self.mask_id, ids_T[first]
            return masked_T, labels_T
        fate_T, random_T = rng.random(len(ids_T)), rng.choice(self._ordinary, len(ids_T))
        masked_T = np.where(chosen_T & (fate_T < 0.8), self.mask_id, ids_T)
        masked_T = np.where(chosen_T & (fate_T >= 0.8) & (fate_T < 0.9), random_T, masked_T)
        return masked_T.astype(ids_T.dtype), np.where(chosen_T, ids_T, self.pad_id).astype(ids_T.dtype)

    def noise(
        self, ids_T: np.ndarray, length: int, rng: np.random.Generator, p: float = NOISE_PROBABILITY
    ) -> tuple[np.ndarray, int]:
        """RDE's text augmentation: of the tokens chosen with probability `p` 60 % are masked, 20 % replaced by a random
        ordinary id, 20 % deleted; what follows a deleted token moves up and padding fills the end.

        Returns:
            The changed ids and the number of real tokens that are left of `length`.
        """
        chosen_T = self.chosen(ids_T, rng, p)
        fate_T, random_T = rng.random(len(ids_T)), rng.choice(self._ordinary, len(ids_T))
        changed_T = np.where(chosen_T & (fate_T < 0.6), self.mask_id, ids_T)
        changed_T = np.where(chosen_T & (fate_T >= 0.6) & (fate_T < 0.8), random_T, changed_T)
        deleted_T = chosen_T & (fate_T >= 0.8)
        kept = changed_T[~deleted_T]
        out_T = np.full_like(ids_T, self.pad_id)
        out_T[: len(kept)] = kept
        return out_T, length - int(deleted_T.sum())
