"""CLIP's byte-pair encoding as a tokenizer.json of Hugging Face's `tokenizers`.

open_clip's tokenizer mends a text first (ftfy, HTML entities). Of that the file does what its format can say: Unicode's
composed form, straight quotes, single blanks, lower case.
"""

from __future__ import annotations

from typing import Any

# One word each, in lower case: endings after an apostrophe, letters, a digit, other signs (CLIP's pattern).
WORDS = r"""'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"""
WORD_END = "</w>"


def portable(bpe: Any, max_length: int) -> str:
    """The file's text.

    Args:
        bpe: open_clip's `SimpleTokenizer`.
        max_length: longest text in tokens, special tokens included.
    """
    from tokenizers import Regex, Tokenizer, normalizers, pre_tokenizers
    from tokenizers.models import BPE
    from tokenizers.processors import RobertaProcessing

    start, end = bpe.all_special_ids
    tokens = dict(bpe.encoder)
    names = {position: token for token, position in tokens.items()}
    merges = sorted(bpe.bpe_ranks, key=bpe.bpe_ranks.__getitem__)
    backend = Tokenizer(BPE(tokens, merges, end_of_word_suffix=WORD_END, unk_token=names[end]))
    backend.normalizer = normalizers.Sequence(
        [
            normalizers.NFC(),
            normalizers.Replace(Regex("[\u02bc\u2018-\u201b]"), "'"),
            normalizers.Replace(Regex("[\u201c-\u201f]"), '"'),
            normalizers.Replace(Regex(r"\s+"), " "),
            normalizers.Lowercase(),
        ]
    )
    backend.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(WORDS), behavior="removed", invert=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    backend.post_processor = RobertaProcessing(
        (names[end], end), (names[start], start), trim_offsets=False, add_prefix_space=False
    )
    backend.enable_truncation(max_length)
    return str(backend.to_str(pretty=True))
