"""A matrix of similarities that other code made."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from tbpsbench.engine.plan import Question
from tbpsbench.external.given import Given
from tbpsbench.metrics.ranking import PositiveRanks, Ties, positive_ranks_by
from tbpsbench.records.badges import SIMILARITY


class Similarity(Given):
    """How well every caption fits every image; larger is better, infinite is allowed.

    Args:
        scores_QG: in the order of the task.
    """

    kind: ClassVar[str] = SIMILARITY
    notes = ("nothing shows how the similarities were made: track rerank",)

    def __init__(self, scores_QG: np.ndarray) -> None:
        self.scores_QG = scores_QG

    @property
    def similarity(self) -> str:
        return f"similarities made by other code, {self.scores_QG.dtype}"

    def ranks(self, question: Question, gallery_G: np.ndarray, ties: Ties) -> PositiveRanks:
        ask, answer = question.ask, question.answer

        def block(start: int, stop: int) -> np.ndarray:
            rows = ask.rows[start:stop]
            if question.captions_ask:
                return self.scores_QG[np.ix_(rows, gallery_G[answer.rows])]
            return self.scores_QG[np.ix_(answer.rows, gallery_G[rows])].T

        return positive_ranks_by(
            block, ask.pids, answer.pids, ties=ties, query_groups=ask.groups, gallery_groups=answer.groups,
            skip_unmatched=question.skip,
        )  # fmt: skip
