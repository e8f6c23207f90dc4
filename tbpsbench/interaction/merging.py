"""A query and answers in one text, without a model."""

from __future__ import annotations

import re
from collections.abc import Sequence

from tbpsbench.captions.reading import read

_SUBJECT = re.compile(r"^(?:the person|he|she|they)\s+(?=(?:is|has|wears|holds|carries)\b)", re.IGNORECASE)


def joined(texts: Sequence[str]) -> str:
    """Sentences after one another, the query first; one that begins with "The person" goes on about her or him.

    Args:
        texts: the query, then answers.
    """
    kept = [text.strip() for text in texts if text.strip()]
    if not kept:
        return ""
    sex = read(kept[0]).facts.get("sex", ["person"])[0]
    called = {"man": "He ", "woman": "She "}.get(sex, "The person ")
    return " ".join([_ended(kept[0]), *(_ended(_SUBJECT.sub(called, text)) for text in kept[1:])])


def _ended(text: str) -> str:
    return text if text[-1] in ".!?" else f"{text}."
