"""Any text that a caption may hold: every tokenizer gives ids or refuses it by a documented error; so does a system."""

import pytest
import torch
from cases import each_case, refusal, within_limits

from tbpsbench import registry
from tbpsbench.data.tokenizers.wordpiece import WordPiece
from tbpsbench.errors import DataError

FAMILIES = ("captions-tokenizers", "captions-annotations")
PLAIN = ["a man in a red coat", "a woman with a black backpack, walking", "a tall person"]
LENGTH = 40


@pytest.fixture(params=["CLIPBPE", "CLIPBPE without mask", "WordPiece", "cased WordPiece"])
def tokenizer(request, tmp_path):
    """Every tokenizer, built as a config would."""
    kind, context = request.param, {"texts": PLAIN, "cache_dir": None, "files": {}}
    if kind.startswith("CLIPBPE"):
        component = {"type": "CLIPBPE", "context_length": LENGTH, "mask": kind == "CLIPBPE"}
    else:
        component = {"type": "WordPiece", "max_length": LENGTH}
    if kind.startswith("cased"):
        words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "Red", "red", "a", "##a", "\u2028", "[", "]"]
        (tmp_path / "vocab.txt").write_text("\n".join(words) + "\n", encoding="utf-8")
        (tmp_path / "tokenizer_config.json").write_text('{"do_lower_case": false}')
        component["pretrained"] = str(tmp_path)
    return registry.TOKENIZERS.build(component, "data.tokenizer", context)


def text_of(case):
    """A case's text, lone surrogates included."""
    return case.read_bytes().decode("utf-8", "surrogatepass")


def clean(text):
    """The same text without what no file in UTF-8 can hold."""
    return "".join(character for character in text if not 0xD800 <= ord(character) < 0xE000 and character != "\0")


def require_ids(tokenizer, text):
    """The promises of a tokenizer for one text."""
    with within_limits():
        ids, tokens = tokenizer.encode(text), tokenizer([text, "a man"])
    assert 2 <= len(ids) <= LENGTH
    assert ids[-1] in tokenizer.special_ids
    assert all(0 <= number < tokenizer.vocab_size for number in ids)
    assert tokens.ids[0, : len(ids)].tolist() == ids
    assert tokens.mask[0].sum() == len(ids)


@each_case(*FAMILIES)
def test_every_text_has_ids_or_is_refused(tokenizer, case):
    text = text_of(case)
    error = refusal(tokenizer.encode, text)
    assert (error is None) == (text == clean(text))
    for call in (lambda: tokenizer([text]), lambda: tokenizer.encode_all([text])):
        assert type(refusal(call)) is type(error)
    if error is not None:
        assert isinstance(error, DataError)
        assert "character" in str(error)
    require_ids(tokenizer, clean(text))


@pytest.mark.parametrize(
    "text",
    [
        "", " ", "\n\t", "\u2028\u2029\x85\x0b\x0c\x1c\x1d\x1e", "\ufeff\ufffe\uffff", "a\u0301" * 500, "👩‍👩‍👧🏽" * 90,
        "x" * 100_000, "x " * 60_000, "[CLS] [SEP] [MASK] [UNK] [PAD]", "<start_of_text><end_of_text>",
        "&#x0;&#1114112;&#xD800;&lt;&amp;", "\u202eabc\u200f\u200d", "\U0010fffe\U0010ffff", "'s 're 'll", "\x7f\x01",
        "!(" * 50, "\\ud800", "\r\r\n",
    ],
)  # fmt: skip
def test_odd_texts_have_ids(tokenizer, text):
    require_ids(tokenizer, text)


@pytest.mark.parametrize("text", ["a \ud800 b", "\udfff", "a\0b"])
def test_what_no_file_can_hold_is_refused_by_name(tokenizer, text):
    with pytest.raises(DataError, match=r"a caption: holds (the lone surrogate U\+D|a NUL character)"):
        tokenizer([text])


@each_case(*FAMILIES)
def test_a_vocabulary_is_made_of_such_texts_and_kept_as_it_is(tmp_path, case):
    text = text_of(case)
    if text != clean(text):
        assert isinstance(refusal(WordPiece, texts=[*PLAIN, text], cache_dir=tmp_path), DataError)
        assert isinstance(refusal(WordPiece, texts=[*PLAIN, text]), DataError)
        assert list(tmp_path.glob("*")) == []
    texts = [*PLAIN, clean(text), f"a {clean(text)[:40]} b"]
    with within_limits():
        plain, cached, again = (WordPiece(texts=texts, cache_dir=folder) for folder in (None, tmp_path, tmp_path))
    restored = WordPiece(files=plain.files())
    assert plain.sha256 == cached.sha256 == again.sha256 == restored.sha256
    assert restored.encode(clean(text)) == plain.encode(clean(text))


@each_case(*FAMILIES)
def test_a_system_embeds_it_or_refuses_it(system, case):
    text = text_of(case)
    error = refusal(system.encode_text, ["a man", text])
    assert (error is None) == (text == clean(text))
    assert error is None or "caption 1: holds" in str(error)
    embedded = system.encode_text(["a man", clean(text)])
    assert torch.isfinite(embedded).all()
    torch.testing.assert_close(embedded[:1], system.encode_text("a man"))


@pytest.fixture(scope="module")
def system():
    """A system that was never trained, with a vocabulary of its own."""
    from tbpsbench.data.preprocess import Preprocess
    from tbpsbench.model.person_search import PersonSearchModel
    from tbpsbench.system import System

    torch.manual_seed(0)
    tokenizer = WordPiece(texts=PLAIN, max_length=LENGTH)
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
    arch = {"embed_dims": 16, "num_layers": 1, "num_heads": 2, "feedforward_channels": 32}
    model = PersonSearchModel(
        image_encoder={"type": "ViT", "arch": arch, "img_size": (32, 16), "patch_size": 16},
        text_encoder={"type": "BERT", "arch": sizes, "vocab_size": tokenizer.vocab_size},
        heads={"global": {"type": "GlobalHead", "embed_dim": 8}},
        losses={},
    )
    return System("toy", model.eval(), tokenizer, Preprocess((32, 16), "bilinear", (0.5,) * 3, (0.5,) * 3), {}, {})
