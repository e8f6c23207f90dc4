"""What a tokenizer promises: ids of fixed length with the last special token kept, and a mask of what is real.

Shapes: B texts, T = max_length.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

from tbpsbench.types import Tokens

PAD_ID = 0


class Tokenizer(ABC):
    """Base of the slot TOKENIZERS.

    Attributes:
        vocab_size: ids are 0 .. vocab_size - 1.
        max_length: T, special tokens included.
        mask_id: id of the mask token, or None without one.
        special_ids: ids that stand for no text (padding, start, end, mask, unknown); never masked, never drawn as a
            random replacement.
        pad_id: 0 for every tokenizer: the losses and labels of masked language modelling rely on it.
        sha256: of the vocabulary and whatever else decides the ids; part of a model's fingerprint.
    """

    vocab_size: int
    max_length: int
    mask_id: int | None
    special_ids: frozenset[int]
    sha256: str
    pad_id: int = PAD_ID

    @classmethod
    def longest(cls, arguments: Mapping[str, Any]) -> Any:
        """`max_length` of a tokenizer with these arguments, defaults filled in; None if it cannot be told from them."""
        return arguments.get("max_length")

    @abstractmethod
    def encode(self, text: str) -> list[int]:
        """Ids of one text with its special tokens, at most `max_length`; a cut text keeps its last special token.

        Raises:
            DataError: if the text holds a lone surrogate or a NUL; every other text has ids.
        """

    def files(self) -> dict[str, str]:
        """What a checkpoint keeps of this tokenizer besides its config: name of a text file -> its content.

        A class whose ids depend on more than its arguments (a vocabulary made from captions, a file on this machine)
        returns that here and takes it back by the constructor argument `files`, which the framework supplies. Without
        `files` the tokenizer is made from its config alone; `sha256` tells whether it is the same one.
        """
        return {}

    def portable(self) -> str | None:
        """This tokenizer as a tokenizer.json of Hugging Face's `tokenizers`, for programs without tbpsbench.

        None where there is none. An export compares its ids with `encode` before it is written.
        """
        return None

    def encode_all(self, texts: Sequence[str]) -> list[list[int]]:
        """`encode` of every text; overridden where a batch is faster."""
        return [self.encode(text) for text in texts]

    def unread(self, text: str) -> str:
        """The words at the end of a text that `encode` cuts off; "" where it reads the text to its last word.

        Raises:
            DataError: as `encode`.
        """
        ids, words = self.encode(text), text.split()
        if len(ids) < self.max_length:
            return ""
        # The fewest words from the first on that have the same ids.
        fewest = bisect_left(range(len(words)), True, key=lambda count: self.encode(" ".join(words[:count])) == ids)
        return " ".join(words[fewest:])

    def arrays(self, texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        """Padded ids (B, T) int32 and lengths (B,) int32."""
        ids_BT = np.full((len(texts), self.max_length), self.pad_id, dtype=np.int32)
        lengths_B = np.zeros(len(texts), dtype=np.int32)
        for row, ids in enumerate(self.encode_all(texts)):
            ids_BT[row, : len(ids)] = ids
            lengths_B[row] = len(ids)
        return ids_BT, lengths_B

    def __call__(self, texts: Sequence[str]) -> Tokens:
        """Tokens of a batch: ids (B, T) int64 padded with `pad_id`, mask (B, T) True on real tokens."""
        ids_BT, lengths_B = self.arrays(texts)
        mask_BT = np.arange(self.max_length) < lengths_B[:, None]
        return Tokens(torch.from_numpy(ids_BT.astype(np.int64)), torch.from_numpy(mask_BT))


def truncate(ids: list[int], max_length: int) -> list[int]:
    """At most `max_length` ids; the last one (end of text) stays the last."""
    return ids if len(ids) <= max_length else [*ids[: max_length - 1], ids[-1]]
