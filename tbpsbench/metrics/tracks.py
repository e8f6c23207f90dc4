"""Which track a result belongs to (docs/protocol.md, tracks).

The track is derived from what was passed to the evaluation, never from what an author declares.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from tbpsbench.types import Caption

Track = Literal["dual-encoder", "gallery-text", "rerank", "interactive", "interactive-witness"]


def track_of(
    *, gallery_texts: Sequence[Caption] | None = None, reranker: bool = False, answerer: str | None = None
) -> Track:
    """The track of a result; where several apply, the one that may know most.

    Args:
        gallery_texts: texts that the gallery side was encoded with; None or empty if images alone.
        reranker: whether a model looked at pairs of query and gallery image together.
        answerer: who answered where queries were refined at test time. A "witness" or an "oracle" knows the person who
            is looked for: never to be compared with those who do not.
    """
    if answerer is not None:
        return "interactive-witness" if answerer in ("witness", "oracle") else "interactive"
    if reranker:
        return "rerank"
    return "gallery-text" if gallery_texts else "dual-encoder"
