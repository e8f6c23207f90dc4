"""What a session knows of the first ranking, and what its turns come to.

Shapes: B queries, G gallery images, K candidates.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from tbpsbench.interaction import fusion
from tbpsbench.interaction.turns import PERSON, Refined


@dataclass(frozen=True)
class Opening:
    """What a session knows of the first ranking.

    Attributes:
        candidates: (K,) positions in the gallery, best first.
        scores: (K,) their similarities.
        lowest: similarity in the gallery; images: its size.
    """

    candidates: tuple[int, ...]
    scores: tuple[float, ...]
    lowest: float
    images: int

    @classmethod
    def of(cls, base_G: np.ndarray, k: int, order_K: np.ndarray | None = None) -> Opening:
        """From the similarities of a query; `order_K` begins with the k best of them, where somebody knows these."""
        order_1K = None if order_K is None else order_K[None, :k]
        return openings(np.asarray(base_G, np.float32)[None], k, order_1K)[0]

    def require_sound(self) -> None:
        """Of one that was read from a file.

        Raises:
            ValueError: if no ranking has led to it.
        """
        if not self.candidates or not all(0 <= image < self.images for image in self.candidates):
            raise ValueError("candidates that the gallery has not")
        if len({*self.candidates}) < len(self.candidates) or len(self.scores) != len(self.candidates):
            raise ValueError("as many scores as different candidates are expected")
        if not np.isfinite(np.array([*self.scores, self.lowest], np.float32)).all():
            raise ValueError("a similarity is not finite")


def openings(base_BG: np.ndarray, k: int, order_BK: np.ndarray | None = None) -> list[Opening]:
    """What sessions of several queries know, (B, G) -> B; `order_BK` is `fusion.candidates` of them."""
    if order_BK is None:
        order_BK = fusion.candidates(base_BG, k)
    scores_BK, lowest_B = np.take_along_axis(base_BG, order_BK, axis=1), base_BG.min(axis=1)
    return [
        Opening(tuple(order_K.tolist()), tuple(score_K.tolist()), float(lowest), base_BG.shape[1])
        for order_K, score_K, lowest in zip(order_BK, scores_BK, lowest_B, strict=True)
    ]


@dataclass(frozen=True)
class State:
    """What the turns that count come to.

    Attributes:
        anchor: position of the picture that is taken for the person's, -1 for none.
        answers: that were kept and still hold.
        asked: slots that were asked about.
        refined: the query that says more, or None.
        merged: answers that it was made from.
        written: the refined query in a person's own words, and how many answers came before it; or None.
        stopped: whether the search was sure enough to stop.
        judged: candidates that the model judged, in order.
        rejected: pictures that a person said no to last.
        said_yes: whether the model said yes to any.
        given: whether a person chose the anchor, which no model changes then.
    """

    anchor: int = -1
    answers: tuple[tuple[str, int | None], ...] = ()
    asked: tuple[str, ...] = ()
    refined: str | None = None
    merged: int = 0
    written: tuple[str, int] | None = None
    stopped: bool = False
    judged: tuple[int, ...] = ()
    rejected: frozenset[int] = frozenset()
    said_yes: bool = False
    given: bool = False

    def known(self, query: str) -> tuple[str, ...]:
        """The query, as it was asked or as a person wrote it anew, and the answers that hold and came after it."""
        text, before = self.written or (query, 0)
        return (text, *(answer for answer, _ in self.answers[before:]))

    def rewritten(self, turn: Refined) -> State:
        """After a new query text, made from all answers so far."""
        count = len(self.answers)
        written = (turn.text, count) if turn.by == PERSON else self.written
        return replace(self, refined=turn.text, merged=count, written=written)

    def anchored(self, anchor: int) -> State:
        """With another anchor: what was seen on the one before does not hold any more, what a person wrote does."""
        kept = tuple((text, image) for text, image in self.answers if image is None)
        if anchor == self.anchor or len(kept) == len(self.answers):
            return replace(self, anchor=anchor)
        text, before = self.written or (None, 0)
        merged = sum(image is None for _, image in self.answers[:before])
        written = None if text is None else (text, merged)
        return replace(self, anchor=anchor, answers=kept, asked=(), refined=text, merged=merged, written=written)
