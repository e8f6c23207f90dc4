"""What a text transform promises: a caption in, a caption out, every random number from the generator it is handed.

A transform changes the sentence (`rewrite`), its token ids (`change`), or both; all sentences are changed first, in the
order of the config, then tokenised, then all tokens are changed. It sees captions of training samples alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

import numpy as np


class TextTransform:
    """Base of the slot TEXT_TRANSFORMS.

    The generator is the sample's own: it depends on seed, epoch, index, role and place in the list, so that a caption
    looks the same at any number of workers and after a resume. It is handed to `rewrite` first, then to `change`.

    Attributes:
        mixes: whether it reads `others`, the captions of `data.more_captions`.

    Context arguments: `tokenizer`, the one of the run.
    """

    mixes: ClassVar[bool] = False

    def rewrite(self, text: str, others: Mapping[str, Sequence[str]], rng: np.random.Generator) -> str:  # noqa: ARG002
        """The sentence to show instead; never empty.

        Args:
            text: the caption, as the transforms before this one left it.
            others: name of a further annotation file -> the captions in it that were made from this caption, or, where
                none was, those of its image.
            rng: the only source of random numbers.
        """
        return text

    def change(self, ids_T: np.ndarray, rng: np.random.Generator) -> np.ndarray:  # noqa: ARG002
        """The token ids to show instead: special tokens stay where they are, there is no padding, none are added.

        Args:
            ids_T: (T,) int32; not to be changed in place.
            rng: the only source of random numbers.
        """
        return ids_T
