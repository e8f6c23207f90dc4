"""What other code gives: anything from which every question can be ranked.

Shapes: Q queries, G images of all splits that are shown.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from tbpsbench.config.schema import EvaluationSection
from tbpsbench.engine.plan import Question
from tbpsbench.external.task import Task
from tbpsbench.metrics.ranking import PositiveRanks, Ties


class Given(ABC):
    """Base of what is given.

    Attributes:
        kind: what a record calls it.
        two_towers: whether it shows by itself that captions and images were embedded apart from each other.
        notes: what was done with it, for the user.
    """

    kind: ClassVar[str]
    two_towers: ClassVar[bool] = False
    notes: Sequence[str] = ()

    @property
    @abstractmethod
    def similarity(self) -> str:
        """How queries and images are compared, in a line."""

    @abstractmethod
    def ranks(self, question: Question, gallery_G: np.ndarray, ties: Ties) -> PositiveRanks:
        """The ranks of all positives.

        Args:
            question: who asks and answers.
            gallery_G: rows of the question's images among the given ones.
            ties: see `positive_ranks`.
        """

    def settings(self) -> dict[str, Any]:
        """What a record says of it beside its kind: the same for all seeds of a system."""
        return {}

    def protocol(self) -> dict[str, Any]:
        """What a record's `protocol` says of it."""
        return {"similarity": self.similarity}

    @property
    def index_bytes(self) -> int:
        """Size of the gallery's features; 0 where there are none."""
        return 0

    def exact(self, task: Task) -> EvaluationSection:
        """The task's `evaluation` with what can be scored exactly; what is left out is named in `notes`.

        Raises:
            ConfigError: if something is asked that what is given cannot answer.
        """
        return task.section
