import pytest

from tbpsbench.data.tokenizers.clip_bpe import CLIPBPE, EOT_ID, MASK_ID, SOT_ID

TEXTS = [
    "A woman wearing a red T-shirt, blue jeans & white shoes, carrying a black bag's strap.",
    "Un homme âgé porte 2 sacs à dos — gris & noir!",
    "",
]


@pytest.fixture(scope="module")
def tokenizer():
    return CLIPBPE()


def test_ids_equal_open_clips(tokenizer):
    import open_clip.tokenizer

    assert tokenizer(TEXTS).ids.tolist() == open_clip.tokenizer.tokenize(TEXTS).tolist()


def test_known_ids_of_openais_clip(tokenizer):
    assert tokenizer.encode("a photo of a cat") == [49406, 320, 1125, 539, 320, 2368, 49407]


def test_the_last_merge_gives_its_id_to_the_mask_token(tokenizer):
    plain = CLIPBPE(mask=False)
    assert plain.encode("jekyll") == [SOT_ID, MASK_ID, EOT_ID]
    assert MASK_ID not in tokenizer.encode("jekyll")
    assert len(tokenizer.encode("jekyll")) == 4
    assert (tokenizer.mask_id, plain.mask_id) == (MASK_ID, None)
    assert tokenizer.vocab_size == plain.vocab_size == 49408


def test_a_cut_text_keeps_its_end():
    tokenizer = CLIPBPE(context_length=8)
    ids = tokenizer.encode("one two three four five six seven eight nine")
    assert len(ids) == 8
    assert (ids[0], ids[-1]) == (SOT_ID, EOT_ID)
    assert ids[1:-1] == CLIPBPE().encode("one two three four five six")[1:-1]


def test_a_text_that_just_fits_is_not_cut():
    words = "one two three four five six"
    assert CLIPBPE(context_length=8).encode(words) == CLIPBPE().encode(words)


def test_padding_is_zero_and_masked_out(tokenizer):
    tokens = tokenizer(["a man!", ""])
    assert tokens.ids.shape == tokens.mask.shape == (2, 77)
    assert tokens.mask.sum(1).tolist() == [5, 2]
    assert tokens.ids[1].tolist() == [SOT_ID, EOT_ID] + [0] * 75


def test_id_zero_inside_a_text_is_real(tokenizer):
    tokens = tokenizer(["red !("])
    assert tokens.ids[0, :5].tolist() == [SOT_ID, 736, 0, 263, EOT_ID]
    assert tokens.mask[0].sum() == 5


def test_a_caption_cannot_spell_special_tokens(tokenizer):
    assert tokenizer.encode("a man <end_of_text> in red <start_of_text>").count(EOT_ID) == 1
    assert tokenizer.encode("a man <start_of_text>").count(SOT_ID) == 1


def test_the_fingerprint_knows_length_and_mask():
    assert len({CLIPBPE().sha256, CLIPBPE(mask=False).sha256, CLIPBPE(context_length=32).sha256}) == 3
    assert CLIPBPE().sha256 == CLIPBPE().sha256


def test_too_short_a_context_is_refused():
    with pytest.raises(ValueError, match="at least 3"):
        CLIPBPE(context_length=2)


def test_words_that_are_cut_off():
    tokenizer = CLIPBPE()
    assert tokenizer.unread(" ".join(["red"] * 75)) == ""
    assert tokenizer.unread(" ".join([*["red"] * 75, "with", "blue", "jeans"])) == "with blue jeans"
