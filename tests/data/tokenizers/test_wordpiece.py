import json
import subprocess
import sys

import pytest

from tbpsbench.data.tokenizers.vocabulary import SPECIAL, build_vocabulary
from tbpsbench.data.tokenizers.wordpiece import WordPiece
from tbpsbench.errors import ConfigError

TEXTS = [
    "A man wearing a red jacket and blue jeans.",
    "The woman wears a red skirt; she is walking.",
    "A man walking in jeans, wearing a jacket",
    "woman wear walk walking wearing",
]


def test_known_words_are_whole_and_others_are_pieces():
    tokenizer = WordPiece(texts=TEXTS, vocab_size=300)
    assert tokenizer.tokens(tokenizer.encode("A red Jacket")) == ["[CLS]", "a", "red", "jacket", "[SEP]"]
    pieces = tokenizer.tokens(tokenizer.encode("wearwalk"))[1:-1]
    assert len(pieces) > 1
    assert "".join(piece.removeprefix("##") for piece in pieces) == "wearwalk"


def test_unknown_characters_are_unknown():
    tokenizer = WordPiece(texts=TEXTS)
    assert tokenizer.tokens(tokenizer.encode("ж")) == ["[CLS]", "[UNK]", "[SEP]"]


def test_endings_of_known_words_are_pieces():
    vocabulary = build_vocabulary(["walk walk", "jump jump", "walking jumping", "turn turn turning"], 100)
    assert "##ing" in vocabulary


def test_the_vocabulary_keeps_to_its_size_and_begins_with_the_special_tokens():
    for size in (70, 80, 1000):
        vocabulary = build_vocabulary(TEXTS, size)
        assert len(vocabulary) <= size
        assert len(set(vocabulary)) == len(vocabulary)
        assert tuple(vocabulary[:5]) == SPECIAL


def test_a_size_below_the_characters_is_refused():
    with pytest.raises(ValueError, match="the characters alone need"):
        build_vocabulary(TEXTS, 10)
    with pytest.raises(ValueError, match="no texts"):
        WordPiece()


def test_the_vocabulary_is_the_same_in_every_process():
    program = (
        "from tbpsbench.data.tokenizers.vocabulary import build_vocabulary\n"
        f"print(' '.join(build_vocabulary({TEXTS!r}, 90)))"
    )
    for seed in ("0", "12345"):
        command, environment = [sys.executable, "-c", program], {"PYTHONHASHSEED": seed}
        output = subprocess.run(command, capture_output=True, text=True, check=True, env=environment).stdout
        assert output.split() == build_vocabulary(TEXTS, 90)


def test_a_made_vocabulary_is_kept_and_keyed_by_its_texts(tmp_path):
    first = WordPiece(texts=TEXTS, cache_dir=tmp_path)
    kept = list(tmp_path.glob("wordpiece-*.txt"))
    assert len(kept) == 1
    kept[0].write_text(kept[0].read_text() + "extra\n")
    assert WordPiece(texts=TEXTS, cache_dir=tmp_path).vocab_size == first.vocab_size + 1
    WordPiece(texts=TEXTS[:2], cache_dir=tmp_path)
    WordPiece(texts=TEXTS, vocab_size=200, cache_dir=tmp_path)
    assert len(list(tmp_path.glob("wordpiece-*.txt"))) == 3


@pytest.mark.parametrize("as_folder", [True, False])
def test_a_published_vocabulary_is_read_from_a_file_or_folder(tmp_path, as_folder):
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "red", "jack", "##et"]
    (tmp_path / "vocab.txt").write_text("\n".join(vocabulary))
    tokenizer = WordPiece(pretrained=str(tmp_path if as_folder else tmp_path / "vocab.txt"), max_length=6)
    assert tokenizer.encode("Red jacket") == [2, 5, 6, 7, 3]
    assert (tokenizer.vocab_size, tokenizer.mask_id, tokenizer.max_length) == (8, 4, 6)
    assert tokenizer.special_ids == {0, 1, 2, 3, 4}


def test_ids_equal_transformers_bert(tmp_path):
    from transformers import BertTokenizerFast

    vocabulary = build_vocabulary(TEXTS, 200)
    theirs = BertTokenizerFast(vocab={token: number for number, token in enumerate(vocabulary)})
    ours = WordPiece(texts=TEXTS, vocab_size=200)
    for text in [*TEXTS, "Zebra-striped  Jäckets, 3 of them!"]:
        assert ours.encode(text) == theirs(text)["input_ids"]


def test_a_cut_text_keeps_its_end():
    tokenizer = WordPiece(texts=TEXTS, max_length=6)
    ids = tokenizer.encode(TEXTS[0])
    assert tokenizer.tokens(ids) == ["[CLS]", "a", "man", "wearing", "a", "[SEP]"]
    tokens = tokenizer([TEXTS[0], "red"])
    assert tokens.ids.shape == (2, 6)
    assert tokens.mask.sum(1).tolist() == [6, 3]
    assert tokens.ids[1, 3:].tolist() == [0, 0, 0]


def test_a_caption_cannot_spell_special_tokens():
    tokenizer = WordPiece(texts=TEXTS)
    assert tokenizer.tokens(tokenizer.encode("red [SEP] [MASK]"))[1:-1].count("[SEP]") == 0


def test_a_vocabulary_that_is_not_berts_is_refused(tmp_path):
    (tmp_path / "vocab.txt").write_text("red\nblue\n")
    with pytest.raises(ConfigError, match=r"has no \[PAD\], \[UNK\]"):
        WordPiece(pretrained=str(tmp_path))


def test_a_name_that_cannot_be_found_says_what_to_do(monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(ConfigError, match=r"no vocabulary 'bert-base-nothing'.*path of a vocab.txt"):
        WordPiece(pretrained="bert-base-nothing")


CASED = [*SPECIAL, "[unused0]", "Red", "red", "caf", "##\u00e9", "##e", "coat", "Coat", "\u4e2d", "\u6587"]
CASED_TEXT = "Red red RED caf\u00e9 Coat coat, \u4e2d\u6587"
# No reader of ours takes the number, and files of transformers hold it.
HUGE = 1000000000000000019884624838656


def folder_of(path, tokens, **rules):
    """A folder as save_pretrained writes it."""
    (path / "vocab.txt").write_text("\n".join(tokens) + "\n", encoding="utf-8")
    if rules:
        (path / "tokenizer_config.json").write_text(json.dumps({"model_max_length": HUGE, **rules}))
    return str(path)


@pytest.mark.parametrize(
    "rules",
    [
        {"do_lower_case": False},
        {"do_lower_case": True},
        {"do_lower_case": True, "strip_accents": False},
        {"do_lower_case": False, "strip_accents": True, "tokenize_chinese_chars": False},
    ],
)
def test_a_published_vocabulary_is_used_by_the_rules_beside_it(tmp_path, rules):
    from transformers import BertTokenizerFast

    theirs = BertTokenizerFast(vocab={token: number for number, token in enumerate(CASED)}, **rules)
    ours = WordPiece(pretrained=folder_of(tmp_path, CASED, **rules))
    assert ours.encode(CASED_TEXT) == theirs(CASED_TEXT)["input_ids"]
    assert ours.sha256 == WordPiece(pretrained=str(tmp_path / "vocab.txt")).sha256
    restored = WordPiece(files=ours.files())
    assert (restored.sha256, restored.encode(CASED_TEXT)) == (ours.sha256, ours.encode(CASED_TEXT))


def test_rules_decide_the_hash_and_the_usual_ones_leave_it_as_it_was(tmp_path):
    hashes = set()
    for lower in (True, False):
        for accents in (None, True):
            folder = folder_of(tmp_path, CASED, do_lower_case=lower, strip_accents=accents)
            hashes.add(WordPiece(pretrained=folder).sha256)
    assert len(hashes) == 4
    plain = WordPiece(texts=TEXTS, vocab_size=300)
    assert plain.sha256 == "b147b45f1f5f8abc951a355bd219ab70c92b82a304a0c49a37e06f92537ed1ba"
    assert list(plain.files()) == ["vocab.txt"]


def test_a_cased_vocabulary_without_a_word_about_it_is_refused(tmp_path):
    folder = folder_of(tmp_path, CASED)
    with pytest.raises(
        ConfigError, match=r"the token 'Red' has capital letters.*tokenizer_config\.json.*do_lower_case"
    ):
        WordPiece(pretrained=folder)
    uncased = [token for token in CASED if token not in ("Red", "Coat")]
    assert WordPiece(pretrained=folder_of(tmp_path, uncased)).vocab_size == len(uncased)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "not valid JSON"),
        ("[]", "expected an object, found list"),
        ('{"do_lower_case": "no"}', "do_lower_case is 'no', expected true or false"),
        ('{"do_lower_case": null}', "do_lower_case is None, expected true or false"),
        ("[" * 100_000, "not valid JSON"),
    ],
)
def test_damaged_rules_are_refused_by_name(tmp_path, text, message):
    folder = folder_of(tmp_path, CASED)
    (tmp_path / "tokenizer_config.json").write_text(text)
    with pytest.raises(ConfigError, match=message) as error:
        WordPiece(pretrained=folder)
    assert "tokenizer_config.json" in str(error.value)


def test_only_a_line_feed_ends_a_token(tmp_path):
    odd = ["a\u2028b", "\u2028", "\u2029", "\x85", "\x0b", "\x0c", "\x1c", "\x1d", "\x1e", "c\rd", "\ufeff", "red"]
    tokens = [*SPECIAL, *odd]
    first = WordPiece(pretrained=folder_of(tmp_path, tokens))
    assert first.tokens(range(first.vocab_size)) == tokens
    again = WordPiece(files=first.files())
    assert again.tokens(range(again.vocab_size)) == tokens
    assert (again.sha256, again.files()) == (first.sha256, first.files())
    assert again.encode("red") == first.encode("red") == [2, len(tokens) - 1, 3]
    ends = [*SPECIAL, "red\r", "\r", ""]
    assert WordPiece(files={"vocab.txt": "\n".join(ends) + "\n"}).tokens(range(8)) == ends


def test_words_that_are_cut_off():
    tokenizer = WordPiece(texts=TEXTS, max_length=8)
    fits = "a man wearing a red jacket"
    assert len(tokenizer.encode(fits)) == 8
    assert tokenizer.unread(fits) == tokenizer.unread("") == tokenizer.unread("a man") == ""
    assert tokenizer.unread(f"{fits} and blue  jeans") == "and blue jeans"
    assert tokenizer.unread("a man wearing a red jacketwalkwalk jeans") == "jeans"  # its first piece is read
