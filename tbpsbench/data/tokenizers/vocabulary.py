"""A small WordPiece vocabulary from captions, the same for the same texts on every machine.

Not the trainer of `tokenizers`: its counts live in hash maps whose order changes from process to process. Here whole
words are taken by frequency; a word that is not among them is written as the longest known beginning and known endings,
down to single characters.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from tbpsbench.reading import require_text

SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
MAX_ENDING = 6
ENDING_SHARE = 0.1
MIN_WORD_COUNT = 2


def count_words(texts: Iterable[str]) -> Counter[str]:
    """How often every word occurs, split and lower-cased as BERT does.

    Raises:
        DataError: if a text holds a lone surrogate or a NUL.
    """
    from tokenizers.normalizers import BertNormalizer
    from tokenizers.pre_tokenizers import BertPreTokenizer

    normalizer, splitter = BertNormalizer(lowercase=True), BertPreTokenizer()
    words: Counter[str] = Counter()
    for text in texts:
        clean = normalizer.normalize_str(require_text(text, "a training caption"))
        words.update(word for word, _ in splitter.pre_tokenize_str(clean))
    return words


def build_vocabulary(texts: Iterable[str], vocab_size: int) -> list[str]:
    """Tokens in the order of their ids: special tokens, characters, endings, words.

    Args:
        texts: training captions.
        vocab_size: the most tokens; fewer if the texts hold fewer words.

    Raises:
        ValueError: if there are no texts, or `vocab_size` cannot hold the characters.
    """
    words = count_words(texts)
    if not words:
        raise ValueError("no texts to build a vocabulary from")
    characters = sorted({character for word in words for character in word})
    base = [*SPECIAL, *characters, *(f"##{character}" for character in characters)]
    if vocab_size < len(base):
        raise ValueError(f"vocab_size is {vocab_size}, the characters alone need {len(base)}")
    room = vocab_size - len(base)
    kept = [word for word, count in _ranked(words) if count >= MIN_WORD_COUNT and len(word) > 1]
    kept = kept[: room - int(room * ENDING_SHARE)]
    endings = [f"##{ending}" for ending, _ in _ranked(_endings(words, set(kept)))]
    return [*base, *endings[: room - len(kept)][: int(room * ENDING_SHARE)], *kept]


def _endings(words: Counter[str], kept: set[str]) -> Counter[str]:
    """Endings of 2-6 characters that follow a kept word: 'wear' + 'ing'."""
    endings: Counter[str] = Counter()
    for word, count in words.items():
        for length in range(2, min(MAX_ENDING, len(word) - 2) + 1):
            if word[:-length] in kept:
                endings[word[-length:]] += count
    return endings


def _ranked(counts: Counter[str]) -> list[tuple[str, int]]:
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))
