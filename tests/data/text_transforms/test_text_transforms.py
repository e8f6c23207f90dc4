"""What each text transform does to captions, counted over many draws."""

from collections import Counter

import numpy as np
import pytest

from tbpsbench.data.text_transforms.caption_mix import CaptionMix
from tbpsbench.data.text_transforms.token_mask import TokenMask
from tbpsbench.data.text_transforms.word_drop import WordDrop
from tbpsbench.data.text_transforms.word_swap import WordSwap
from tbpsbench.data.tokenizers.clip_bpe import CLIPBPE
from tbpsbench.errors import ConfigError
from tbpsbench.registry import TEXT_TRANSFORMS
from tbpsbench.testing import check_text_transform

TEXT = "one two three four five six seven eight nine ten"
WORDS = TEXT.split()


def rewritten(transform, text=TEXT, times=4000, others=None):
    rng = np.random.default_rng(0)
    return [transform.rewrite(text, others or {}, rng) for _ in range(times)]


def test_word_drop_deletes_each_word_alike_and_keeps_the_order():
    made = [text.split() for text in rewritten(WordDrop(0.2))]
    shares = Counter(word for words in made for word in words)
    assert all(abs(shares[word] / 4000 - 0.8) < 0.025 for word in WORDS)
    assert all(words == [word for word in WORDS if word in words] for words in made)


def test_word_drop_never_leaves_nothing():
    made = Counter(rewritten(WordDrop(1.0), "red coat", 400))
    assert set(made) == {"red", "coat"}
    assert min(made.values()) > 150
    assert set(rewritten(WordDrop(1.0), "red", 20)) == {"red"}


def test_word_drop_leaves_an_untouched_caption_as_it_was_written():
    assert set(rewritten(WordDrop(0.0), "two  spaces", 20)) == {"two  spaces"}


def test_word_swap_exchanges_two_places_at_a_time():
    made = [text.split() for text in rewritten(WordSwap(count=1), times=500)]
    moved = [[place for place, word in enumerate(words) if word != WORDS[place]] for words in made]
    assert {len(places) for places in moved} == {2}
    assert {place for places in moved for place in places} == {*range(10)}
    for words, (first, second) in zip(made, moved, strict=True):
        assert (words[first], words[second]) == (WORDS[second], WORDS[first])


def test_word_swap_with_p_leaves_the_others():
    unchanged = rewritten(WordSwap(count=3, p=0.25)).count(TEXT) / 4000
    assert abs(unchanged - 0.75) < 0.03  # some of the changed change back
    assert rewritten(WordSwap(), "red", 3) == ["red"] * 3


def test_token_mask_masks_the_share_and_spares_special_tokens():
    tokenizer = CLIPBPE()
    ids_T = np.array(tokenizer.encode(TEXT), dtype=np.int32)
    rng, transform = np.random.default_rng(0), TokenMask(tokenizer, p=0.3)
    made_NT = np.stack([transform.change(ids_T, rng) for _ in range(3000)])
    assert made_NT.dtype == np.int32
    masked_NT = made_NT == tokenizer.mask_id
    assert (made_NT[~masked_NT] == np.broadcast_to(ids_T, made_NT.shape)[~masked_NT]).all()
    assert not masked_NT[:, [0, -1]].any()
    np.testing.assert_allclose(masked_NT[:, 1:-1].mean(axis=0), 0.3, atol=0.03)


def test_token_mask_needs_a_mask_token():
    with pytest.raises(ConfigError, match="no mask token; masked_tokens, text_noise and TokenMask need one"):
        TokenMask(CLIPBPE(mask=False))


def test_caption_mix_draws_a_file_then_a_caption():
    others = {"back": ("b1",), "mllm": ("m1", "m2"), "empty": ()}
    made = Counter(rewritten(CaptionMix(0.4), others=others))
    shares = {text: count / 4000 for text, count in made.items()}
    expected = {TEXT: 0.6, "b1": 0.2, "m1": 0.1, "m2": 0.1}
    assert shares.keys() == expected.keys()
    assert all(abs(shares[text] - expected[text]) < 0.025 for text in expected)


def test_caption_mix_keeps_a_caption_that_no_file_knows():
    assert set(rewritten(CaptionMix(1.0), others={"back": ()}, times=5)) == {TEXT}


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"type": "WordDrop", "p": 1.2}, "between 0 and 1"),
        ({"type": "WordSwap", "count": 0}, "count is 0, expected 1 to 1000"),
        ({"type": "WordSwap", "count": 10**12}, "expected 1 to 1000"),
        ({"type": "CaptionMix", "p": -1.0}, "between 0 and 1"),
        ({"type": "WordDorp"}, "Did you mean 'WordDrop'"),
    ],
)
def test_bad_arguments_are_refused(config, message):
    with pytest.raises(ConfigError, match=message):
        TEXT_TRANSFORMS.build(config, "data.text_transforms.0", {})


class Reckless(WordDrop):
    """Draws from the global generator."""

    def rewrite(self, text, others, rng):
        return text if np.random.random() < 0.5 else "something else"


class Longer(WordDrop):
    """Adds tokens."""

    def change(self, ids_T, rng):
        return np.concatenate([ids_T, ids_T[-1:]])


@pytest.mark.parametrize(("cls", "message"), [(Reckless, "equal generators gave"), (Longer, "expected no more")])
def test_the_contract_finds_transforms_that_break_it(cls, message):
    TEXT_TRANSFORMS.register()(cls)
    try:
        with pytest.raises(AssertionError, match=message):
            check_text_transform({"type": cls.__name__})
    finally:
        TEXT_TRANSFORMS.remove(cls.__name__)
