"""BERT's WordPiece: a published vocabulary, or a small one made from the training captions."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tbpsbench.data.tokenizers.base import Tokenizer
from tbpsbench.data.tokenizers.published import RULES, RULES_FILE, VOCABULARY, load_rules, load_vocabulary
from tbpsbench.data.tokenizers.vocabulary import SPECIAL, build_vocabulary
from tbpsbench.errors import ConfigError
from tbpsbench.files import atomic_write
from tbpsbench.reading import read_lines, require_text
from tbpsbench.registry import TOKENIZERS

PAD, UNKNOWN, START, END, MASK = SPECIAL
VERSION = 1


@TOKENIZERS.register()
class WordPiece(Tokenizer):
    """BERT tokens: [CLS] text [SEP]; lower-cased, unless a published vocabulary is of a cased model.

    Args:
        pretrained: a folder with vocab.txt, a vocab.txt, or a name that transformers knows ("bert-base-uncased");
            None makes a vocabulary from `texts`. A tokenizer_config.json beside it says whether text is lower-cased,
            loses its accents, and is split at Chinese characters (do_lower_case, strip_accents,
            tokenize_chinese_chars).
        vocab_size: most tokens of a vocabulary that is made here.
        max_length: T; >= 3.
        texts: training captions; supplied by the framework.
        cache_dir: where a vocabulary made from `texts` is kept as a vocab.txt, named by a hash of the texts; supplied
            by the framework, None keeps nothing.
        files: what `files()` of the same tokenizer returned; used instead of all others. Supplied by the framework.

    Raises:
        ConfigError: if the vocabulary cannot be found or lacks BERT's special tokens, or if it is a cased model's
            and nothing says so.
        DataError: if one of its files is damaged, or a text of `texts` cannot be written as UTF-8.
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
        rules = dict(RULES)
        if files:
            # As `files` wrote them: a token may hold any character but a line feed, U+2028 or "\r" included.
            tokens, pretrained = files[VOCABULARY].removesuffix("\n").split("\n"), VOCABULARY
            rules |= json.loads(files.get(RULES_FILE, "{}"))
        elif pretrained:
            tokens, rules = load_vocabulary(pretrained), load_rules(pretrained)
        else:
            tokens = made_vocabulary(texts, vocab_size, cache_dir)
        ids = {token: position for position, token in enumerate(tokens)}
        if missing := [token for token in SPECIAL if token not in ids]:
            raise ConfigError(f"the vocabulary {pretrained!r} has no {', '.join(missing)}: it is not one of BERT's")
        if ids[PAD] != self.pad_id:
            raise ConfigError(f"the vocabulary {pretrained!r} has {PAD} at {ids[PAD]}, expected {self.pad_id}")
        self.vocab_size, self.max_length, self.mask_id = len(tokens), max_length, ids[MASK]
        self.special_ids = frozenset(ids[token] for token in SPECIAL)
        self._unusual = {key: value for key, value in rules.items() if value != RULES[key]}
        head = [f"WordPiece {max_length}", *([json.dumps(self._unusual, sort_keys=True)] if self._unusual else [])]
        self.sha256 = hashlib.sha256("\n".join([*head, *tokens]).encode()).hexdigest()
        self._tokens, self._backend = tuple(tokens), _backend(ids, max_length, rules)

    def files(self) -> dict[str, str]:
        rules = {RULES_FILE: json.dumps(self._unusual, sort_keys=True) + "\n"} if self._unusual else {}
        return {VOCABULARY: "\n".join(self._tokens) + "\n", **rules}

    def portable(self) -> str:
        return str(self._backend.to_str(pretty=True))

    def encode(self, text: str) -> list[int]:
        return self._backend.encode(require_text(text, "a caption")).ids

    def encode_all(self, texts: Sequence[str]) -> list[list[int]]:
        given = [require_text(text, "a caption") for text in texts]
        return [encoding.ids for encoding in self._backend.encode_batch(given)]

    def tokens(self, ids: Sequence[int]) -> list[str]:
        """The tokens that ids stand for."""
        return [self._tokens[token] for token in ids]


def _backend(ids: dict[str, int], max_length: int, rules: Mapping[str, Any]) -> Any:
    from tokenizers import Tokenizer as Backend
    from tokenizers.models import WordPiece as Model
    from tokenizers.normalizers import BertNormalizer
    from tokenizers.pre_tokenizers import BertPreTokenizer
    from tokenizers.processors import BertProcessing

    # A caption that spells out "[SEP]" is split into plain characters: no token is declared special to the backend.
    backend = Backend(Model(ids, unk_token=UNKNOWN))
    backend.normalizer = BertNormalizer(
        lowercase=rules["do_lower_case"],
        strip_accents=rules["strip_accents"],
        handle_chinese_chars=rules["tokenize_chinese_chars"],
    )
    backend.pre_tokenizer = BertPreTokenizer()
    backend.post_processor = BertProcessing((END, ids[END]), (START, ids[START]))
    backend.enable_truncation(max_length)
    return backend


def made_vocabulary(texts: Sequence[str], vocab_size: int, cache_dir: str | Path | None) -> list[str]:
    """A vocabulary of the texts, read from the cache if it has been made before."""
    if cache_dir is None:
        return build_vocabulary(texts, vocab_size)
    digest = hashlib.sha256(f"{VERSION} {vocab_size}".encode())
    for text in texts:
        digest.update(require_text(text, "a training caption").encode() + b"\0")
    path = Path(cache_dir) / f"wordpiece-{digest.hexdigest()[:16]}.txt"
    if not path.exists():
        tokens = build_vocabulary(texts, vocab_size)
        with atomic_write(path, "w") as stream:
            stream.write("\n".join(tokens) + "\n")
    return read_lines(path)
