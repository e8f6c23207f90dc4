"""Texts are tokenised once, whoever asks for them."""

import numpy as np

from tbpsbench.data.texts import TextStore
from tbpsbench.data.tokenizers.wordpiece import WordPiece
from tbpsbench.types import Caption

TEXTS = ["a red coat", "a blue hat", "a red coat", "shoes"]


def captions(*numbers):
    return [Caption(TEXTS[n], "query", n, "human", "train", n) for n in numbers]


def test_a_text_is_tokenised_once_and_its_tokens_are_the_tokenizers(monkeypatch):
    tokenizer, asked = WordPiece(texts=TEXTS * 2, vocab_size=60, max_length=8), []
    plain = tokenizer.arrays

    def arrays(texts):
        asked.extend(texts)
        return plain(texts)

    monkeypatch.setattr(tokenizer, "arrays", arrays)
    store = TextStore(tokenizer)
    first, second, none = store.table(captions(0, 2, 1)), store.table(captions(3, 1)), store.table([])
    assert asked == ["a red coat", "a blue hat", "shoes"]
    ids_MT, length_M = plain([TEXTS[n] for n in (0, 2, 1)])
    np.testing.assert_array_equal(first.ids_MT, ids_MT)
    np.testing.assert_array_equal(first.length_M, length_M)
    assert first.caption_id_M.tolist() == [0, 2, 1]
    np.testing.assert_array_equal(second.ids_MT, plain(["shoes", "a blue hat"])[0])
    assert len(none) == 0
