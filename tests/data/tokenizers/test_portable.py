"""A tokenizer's tokenizer.json gives the ids of the tokenizer, to captions and to whatever else is typed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer as Backend

from tbpsbench.data.tokenizers.base import Tokenizer
from tbpsbench.data.tokenizers.clip_bpe import CLIPBPE
from tbpsbench.data.tokenizers.wordpiece import WordPiece

LINES = ["a woman in a red coat", "a man's black bag, size 42", "one !( two?", "CAPITALS and MiXeD"]
KINDS = {
    "clip": lambda: CLIPBPE(context_length=20),
    "clip without a mask token": lambda: CLIPBPE(context_length=20, mask=False),
    "wordpiece": lambda: WordPiece(vocab_size=120, max_length=20, texts=LINES),
}


@pytest.fixture(scope="module", params=KINDS)
def pair(request):
    tokenizer = KINDS[request.param]()
    return tokenizer, Backend.from_str(tokenizer.portable())


# What open_clip's tokenizer mends before it reads is told in CLIPBPE.portable: entities, and signs beyond ASCII.
@given(st.text(st.characters(min_codepoint=32, max_codepoint=126, exclude_characters="&<"), max_size=120))
def test_ascii(pair, text):
    tokenizer, portable = pair
    assert portable.encode(text).ids == tokenizer.encode(text)


@pytest.mark.parametrize(
    "text",
    [
        *LINES,
        "“quoted” ‘so’ it’s",
        "über café",
        "  two\tblanks\nlines ",
        "日本 語",
        "jealousy " * 30,
        "a" * 300,
        "",
        "😀 ok",
    ],
)
def test_beyond_ascii_and_beyond_the_end(pair, text):
    tokenizer, portable = pair
    ids = portable.encode(text).ids
    assert ids == tokenizer.encode(text)
    assert len(ids) <= tokenizer.max_length


def test_a_tokenizer_need_not_have_one():
    assert Tokenizer.portable(object()) is None
