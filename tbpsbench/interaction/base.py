"""What an interactor promises: new scores for queries about which it has talked to somebody (slot INTERACTORS).

Shapes: Q queries, G gallery, B queries of a block, K candidates, N new texts.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from torch import Tensor

from tbpsbench.interaction.play import Spent
from tbpsbench.interaction.rules import Answerer
from tbpsbench.interaction.session import Session
from tbpsbench.mllm.messages import Picture
from tbpsbench.protocols.base import ABLATIONS

Blocks = Callable[[int, int], Tensor]
Rows = Callable[[np.ndarray], np.ndarray]
Chooser = Callable[[np.ndarray], np.ndarray]
JUDGE_ONLY, REFINEMENT_ONLY, RANDOM, RANK_1, ORACLE = ABLATIONS
BUDGETS = (1, 2, 5, 10, 20)


@dataclass(frozen=True)
class Target:
    """The person who is looked for, as somebody knows them who is asked.

    Attributes:
        picture: that the query was written for.
        memory: what else is said of it, without the query's own words.
    """

    picture: Picture
    memory: str


@dataclass(frozen=True)
class Scene:
    """Searches that were made, and what can be looked at. No identity, id or path is in it.

    Attributes:
        texts: (Q,) the queries.
        images: G.
        scores: (start, stop) -> (B, G) float32 similarities of these queries; larger is better.
        similar: N new texts -> a function of rows of them -> (rows, G) float32 similarities.
        picture: position in the gallery -> the picture there.
        target: query -> who is looked for; None unless the interactor's answerer knows.
    """

    texts: Sequence[str]
    images: int
    scores: Blocks
    similar: Callable[[Sequence[str]], Rows]
    picture: Callable[[int], Picture]
    target: Callable[[int], Target] | None = None


@dataclass(frozen=True)
class Interacted:
    """What came of it.

    Attributes:
        scores: (start, stop) -> (B, G) float32, in the end.
        rounds: the same after each round; the last are `scores`.
        anchors: (Q,) position of the picture that is taken for the person's, -1 for none.
        candidates: (Q, K) positions, best first, that could be anchors.
        spent: (Q,) what each query took.
        without: name of an ablation that needs no other replies -> scores.
        budgets: calls a query may take -> scores when it stops there.
        early: queries at which the search stopped early.
        sessions: (Q,) the dialogues, where they are kept as sessions.
    """

    scores: Blocks
    rounds: Sequence[Blocks]
    anchors: np.ndarray
    candidates: np.ndarray
    spent: Sequence[Spent]
    without: Mapping[str, Blocks] = field(default_factory=dict)
    budgets: Mapping[int, Blocks] = field(default_factory=dict)
    early: int = 0
    sessions: Sequence[Session] = ()


class Interactor(ABC):
    """Base of the slot INTERACTORS.

    Attributes:
        answerer: who answers: results of a "witness" or an "oracle", who know the person, are a track of their own.
        ablations: what is also evaluated, of `ABLATIONS`.
        simulated: whether no model and no person was asked; known after `interact`.
    """

    answerer: Answerer = "anchor"
    ablations: Sequence[str] = ()
    simulated: bool = False

    @abstractmethod
    def interact(self, scene: Scene, forced: Mapping[str, Chooser]) -> tuple[Interacted, dict[str, Interacted]]:
        """Talk about every query.

        Args:
            scene: what was searched for and found.
            forced: name -> a function that chooses anchors (Q,) among candidates (Q, K), -1 for none. Ablations: the
                same is done with these anchors in the place of the interactor's own, which they must not touch.

        Raises:
            ConfigError: if the system or the config lacks what is needed.
            StopRun: if a model cannot be asked any more.
        """

    def describe(self) -> list[dict[str, Any]]:
        """Who was asked and how, as plain data for the record; known after `interact`."""
        return []
