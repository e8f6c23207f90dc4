"""BERT's WordPiece: a published vocabulary, or a small one made from the training captions."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tbpsbench.data.tokenizers.base import Tokenizer
from tbpsbench.data.tokenizers.vocabulary import SPECIAL, build_vocabulary
from tbpsbench.errors import ConfigError
from tbpsbench.files import atomic_write
from tbpsbench.reading import read_lines
from tbpsbench.registry import TOKENIZERS

PAD, UNKNOWN, START, END, MASK = SPECIAL
VERSION = 1
VOCABULARY = "vocab.txt"


@TOKENIZERS.register()
class WordPiece(Tokenizer):
    """Lower-cased BERT tokens: [CLS] text [SEP].

    Args:
        pretrained: a folder with vocab.txt, a vocab.txt, or a name that transformers knows ("bert-base-uncased");
            None makes a vocabulary from `texts`.
        vocab_size: most tokens of a vocabulary that is made here.
        max_length: T; >= 3.
        texts: training captions; supplied by the framework.
        cache_dir: where a vocabulary made from `texts` is kept as a vocab.txt, named by a hash of the texts; supplied
            by the framework, None keeps nothing.
        files: what `files()` of the same tokenizer returned; used instead of all others. Supplied by the framework.

    Raises:
        ConfigError: if the vocabulary cannot be found or lacks BERT's special tokens.
    """

    def __init__(
        self,
        pretrained: str | None = None,
        vocab_size: int = 8192,
        max_length: int = 64,
        texts: Sequence[str] = (),
        cache_dir: str | Path | None = None,
        files: Mapping[str, str] | None = None,
    ) -> None:
        if max_length < 3:
            raise ValueError(f"max_length is {max_length}, expected at least 3: [CLS], one token, [SEP]")
        if files:
            tokens, pretrained = files[VOCABULARY].splitlines(), VOCABULARY
        else:
            tokens = load_vocabulary(pretrained) if pretrained else made_vocabulary(texts, vocab_size, cache_dir)
        ids = {token: position for position, token in enumerate(tokens)}
        if missing := [token for token in SPECIAL if token not in ids]:
            raise ConfigError(f"the vocabulary {pretrained!r} has no {', '.join(missing)}: it is not one of BERT's")
        if ids[PAD] != self.pad_id:
            raise ConfigError(f"the vocabulary {pretrained!r} has {PAD} at {ids[PAD]}, expected {self.pad_id}")
        self.vocab_size, self.max_length, self.mask_id = len(tokens), max_length, ids[MASK]
        self.special_ids = frozenset(ids[token] for token in SPECIAL)
        self.sha256 = hashlib.sha256("\n".join([f"WordPiece {max_length}", *tokens]).encode()).hexdigest()
        self._tokens, self._backend = tuple(tokens), _backend(ids, max_length)

    def files(self) -> dict[str, str]:
        return {VOCABULARY: "\n".join(self._tokens) + "\n"}

    def encode(self, text: str) -> list[int]:
        return self._backend.encode(text).ids

    def encode_all(self, texts: Sequence[str]) -> list[list[int]]:
        return [encoding.ids for encoding in self._backend.encode_batch(list(texts))]

    def tokens(self, ids: Sequence[int]) -> list[str]:
        """The tokens that ids stand for."""
        return [self._tokens[token] for token in ids]


def _backend(ids: dict[str, int], max_length: int) -> Any:
    from tokenizers import Tokenizer as Backend
    from tokenizers.models import WordPiece as Model
    from tokenizers.normalizers import BertNormalizer
    from tokenizers.pre_tokenizers import BertPreTokenizer
    from tokenizers.processors import BertProcessing

    # A caption that spells out "[SEP]" is split into plain characters: no token is declared special to the backend.
    backend = Backend(Model(ids, unk_token=UNKNOWN))
    backend.normalizer, backend.pre_tokenizer = BertNormalizer(lowercase=True), BertPreTokenizer()
    backend.post_processor = BertProcessing((END, ids[END]), (START, ids[START]))
    backend.enable_truncation(max_length)
    return backend


def load_vocabulary(pretrained: str) -> list[str]:
    """Tokens of a vocab.txt, or of a model on the Hugging Face hub, in the order of their ids.

    Raises:
        ConfigError: if there is none.
    """
    path = Path(pretrained)
    path = path / VOCABULARY if path.is_dir() else path
    if not path.is_file() and path.suffix != ".txt":
        path = _hub_vocabulary(pretrained)
    return read_lines(path)


def _hub_vocabulary(name: str) -> Path:
    """Path of a hub model's vocab.txt, from the local cache if it is there.

    Not `from_pretrained`: transformers 5 answers with an empty vocabulary where it finds no file.
    """
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import HFValidationError

    try:
        return Path(hf_hub_download(name, VOCABULARY))
    except (OSError, ValueError, HFValidationError) as error:
        raise ConfigError(
            f"no vocabulary {name!r}: neither a file nor a folder with vocab.txt, and the Hugging Face hub gave none "
            f"({type(error).__name__}). Give the path of a vocab.txt, or pretrained=None to build a vocabulary from "
            "the training captions."
        ) from error


def made_vocabulary(texts: Sequence[str], vocab_size: int, cache_dir: str | Path | None) -> list[str]:
    """A vocabulary of the texts, read from the cache if it has been made before."""
    if cache_dir is None:
        return build_vocabulary(texts, vocab_size)
    digest = hashlib.sha256(f"{VERSION} {vocab_size}".encode())
    for text in texts:
        digest.update(text.encode() + b"\0")
    path = Path(cache_dir) / f"wordpiece-{digest.hexdigest()[:16]}.txt"
    if not path.exists():
        tokens = build_vocabulary(texts, vocab_size)
        with atomic_write(path, "w") as stream:
            stream.write("\n".join(tokens) + "\n")
    return load_vocabulary(str(path))
