"""The contract of text transforms, and a tokenizer whose tokens are words.

Shapes: T text tokens.
"""

from __future__ import annotations

import numpy as np

from tbpsbench import registry
from tbpsbench.data.tokenizers.base import Tokenizer, truncate
from tbpsbench.testing.toy import Component


def check_text_transform(config: Component) -> None:
    """A text transform makes captions of captions and ids of ids, and draws only from the generator that it is given.

    The tokenizer is one whose words are its tokens: ids 0 (padding), 1 and 2 (start and end), 3 (mask), 4 and above.
    """
    tokenizer = WordTokenizer()
    transform = registry.TEXT_TRANSFORMS.build(config, "transform", {"tokenizer": tokenizer})
    told = ["A", "woman", "in", "a", "red", "coat", "walks", "a", "small", "dog"]
    others = {"elsewhere": ("A lady wears a scarlet coat", "Someone in red")} if transform.mixes else {}
    for seed in range(20):
        text = " ".join(told[: 1 + seed % len(told)])
        given_T = tokenizer.arrays([text])[0][0][: 3 + seed % len(told)]
        ids_T, made = given_T.copy(), []
        for number in range(2):
            np.random.seed(number)  # whoever draws from the global generator is found by it
            rng = np.random.default_rng(seed)
            made.append((transform.rewrite(text, others, rng), transform.change(ids_T, rng)))
        (first, first_T), (second, second_T) = made
        assert isinstance(first, str), f"rewrite made {first!r} of {text!r}, expected a caption"
        assert first.strip(), f"rewrite left nothing of {text!r}, expected a caption"
        assert first == second, f"equal generators gave {first!r} and {second!r}, expected the same caption"
        assert np.array_equal(first_T, second_T), "equal generators gave different token ids, expected the same"
        assert np.array_equal(ids_T, given_T), "change wrote into the ids that it was given, expected a copy"
        assert first_T.ndim == 1, f"change made ids of shape {first_T.shape}, expected (T,)"
        assert len(first_T) <= len(ids_T), f"change made {len(first_T)} ids of {len(ids_T)}, expected no more"
        ends = (int(first_T[0]), int(first_T[-1]))
        assert ends == (1, 2), f"change left {ends} at the ends, expected the start (1) and the end (2)"
        outside = [int(i) for i in first_T if not 0 <= i < tokenizer.vocab_size]
        assert not outside, f"change made the ids {outside}, expected ids below {tokenizer.vocab_size}"


class WordTokenizer(Tokenizer):
    """A tokenizer for tests: every word has the id of its first letter, between a start (1) and an end (2)."""

    mask_id, special_ids, sha256 = 3, frozenset({0, 1, 2, 3}), "0" * 64

    def __init__(self, max_length: int = 11) -> None:
        self.vocab_size, self.max_length = 4 + 26, max_length

    def encode(self, text: str) -> list[int]:
        words = (word.lower()[0] for word in text.split())
        return truncate([1, *(4 + (ord(letter) - ord("a")) % 26 for letter in words), 2], self.max_length)
