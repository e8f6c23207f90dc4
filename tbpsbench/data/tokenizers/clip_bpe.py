"""CLIP's byte-pair encoding (Radford et al. 2021), the vocabulary as open_clip ships it, with IRRA's mask token."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from tbpsbench.data.tokenizers.base import Tokenizer, truncate
from tbpsbench.data.tokenizers.clip_portable import portable
from tbpsbench.reading import require_text
from tbpsbench.registry import TOKENIZERS

MASK_ID, SOT_ID, EOT_ID = 49405, 49406, 49407


@TOKENIZERS.register()
class CLIPBPE(Tokenizer):
    """Ids as OpenAI's CLIP: start 49406, end 49407, padding 0, 49408 in all.

    Id 0 is also the "!" in "!(": `mask` tells it from padding, code that looks for zeros cannot.

    Args:
        context_length: T; >= 3.
        mask: drop the last merge of the vocabulary and give its id, 49405, to a mask token (IRRA, RDE). The text that
            this merge would have made is then written with the two ids it is made of.
    """

    def __init__(self, context_length: int = 77, mask: bool = True) -> None:
        if context_length < 3:
            raise ValueError(f"context_length is {context_length}, expected at least 3: start, one token, end")
        from open_clip.tokenizer import SimpleTokenizer

        self._bpe = SimpleTokenizer()
        if mask:
            del self._bpe.bpe_ranks[max(self._bpe.bpe_ranks, key=self._bpe.bpe_ranks.__getitem__)]
        self.vocab_size, self.max_length = self._bpe.vocab_size, context_length
        self.mask_id = MASK_ID if mask else None
        self.special_ids = frozenset({0, SOT_ID, EOT_ID} | ({MASK_ID} if mask else set()))
        merges = "\n".join(" ".join(pair) for pair in self._bpe.bpe_ranks)
        self.sha256 = hashlib.sha256(f"CLIPBPE {context_length} {mask}\n{merges}".encode()).hexdigest()

    @classmethod
    def longest(cls, arguments: Mapping[str, Any]) -> Any:
        return arguments["context_length"]

    def portable(self) -> str:
        """See the base; texts that open_clip mends first (HTML entities, ligatures, broken encodings) differ."""
        return portable(self._bpe, self.max_length)

    def encode(self, text: str) -> list[int]:
        # A caption that spells out "<end_of_text>" must not end the text.
        ids = [token for token in self._bpe.encode(require_text(text, "a caption")) if token < SOT_ID]
        return truncate([SOT_ID, *ids, EOT_ID], self.max_length)
