"""What the page shows of a search: plain values, no path, no number of a picture.

Shapes: G pictures.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from textwrap import shorten
from typing import Literal, NamedTuple

import numpy as np

from tbpsbench.app.systems import Systems
from tbpsbench.app.talk import Talk, follows
from tbpsbench.interaction.questions import CHIPS
from tbpsbench.interaction.turns import PERSON, Answered, Judged, Turn

# Pictures that are shown at first, that "more" adds, and at most.
FIRST, MORE, MOST = 24, 24, 192
DONT_KNOW = "I don't know"
# Why an answer does not enter the query (captions/answers.py), for whoever gave it.
WHY = {
    "unanswered": "it says nothing",
    "not visible": "it says nothing about the person",
    "absent": "it says what is not there",
    "repeated": "it says nothing new",
    "contradicts": "it contradicts what was said before",
}
Move = Literal["", "up", "down"]
TokenOf = Callable[[int], str]


class Card(NamedTuple):
    """A picture in the ranking.

    Attributes:
        token: names the picture to this visitor alone.
        rank: now, from 1; before: for the query as it was asked.
        move: whether it has come forward or fallen back.
        similarity: as text.
        state: "person" where the visitor says it is, "aside" where not.
        other: its rank by the other system, if there is one.
    """

    token: str
    rank: int
    before: int
    move: Move
    similarity: str
    state: Literal["", "person", "aside"]
    other: int | None


@dataclass(frozen=True, slots=True)
class Column:
    """A system's ranking."""

    letter: str
    name: str
    cards: tuple[Card, ...]
    more: int


@dataclass(frozen=True, slots=True)
class Said:
    """Something that was said or done.

    Attributes:
        who: "You" or "Model".
        question: that was answered; "".
        text: what was said.
        note: what became of it, where that is not plain.
        token: of the picture that it is about; "".
    """

    who: str
    question: str
    text: str
    note: str = ""
    token: str = ""


@dataclass(frozen=True, slots=True)
class View:
    """All of it.

    Attributes:
        unread: (letter of a system, the words at the end of the refined query that its text encoder has no room for).
    """

    query: str
    refined: str
    columns: tuple[Column, ...]
    aside: tuple[Card, ...]
    history: tuple[Said, ...]
    question: str
    slot: str
    chips: tuple[str, ...]
    pictures: int
    unread: tuple[tuple[str, str], ...]


def ranks_at(score_G: np.ndarray, positions: Sequence[int]) -> list[int]:
    """Ranks from 1 of a few pictures, without sorting all; equal scores in the order of the gallery."""
    found = []
    for position in positions:
        score = score_G[position]
        found.append(1 + int((score_G > score).sum()) + int((score_G[:position] == score).sum()))
    return found


def view(systems: Systems, talk: Talk, shown: int, token_of: TokenOf) -> View:
    """What to show.

    Args:
        systems: that were asked.
        talk: the search.
        shown: pictures of each system.
        token_of: position of a picture -> what this visitor knows it by.
    """
    scores = [talk.scores(systems, number) for number in range(len(talk.sessions))]
    state = talk.first.state
    columns = []
    for number, searched in enumerate(systems.searched):
        base_G, now_G = scores[number]
        count = min(shown, len(now_G) - len(state.rejected))
        positions = talk.best(systems, number, now_G, count).tolist() if count > 0 else []
        before = ranks_at(base_G, positions) if now_G is not base_G and talk.first.turns else range(1, count + 1)
        other = ranks_at(scores[1 - number][1], positions) if len(scores) == 2 else [None] * count
        cards = tuple(
            Card(token_of(position), rank, was, _move(was, rank), _similarity(float(now_G[position])),
                 "person" if position == state.anchor else "", elsewhere)
            for rank, (position, was, elsewhere) in enumerate(zip(positions, before, other, strict=True), 1)
        )  # fmt: skip
        more = min(MORE, MOST - shown, len(now_G) - len(state.rejected) - count)
        columns.append(Column(searched.letter, searched.name, cards, max(0, more)))
    ask = talk.ask()
    question = ask.questions[0] if ask else None
    return View(
        talk.query, talk.refined, tuple(columns), tuple(_aside(talk, scores[0], token_of)),
        tuple(_history(talk, token_of)), question.text if question else "", question.slot if question else "",
        tuple(CHIPS.get(question.slot, ())) if question else (), len(systems),
        tuple((one.letter, _begins(words)) for one in systems.searched if (words := one.unread(talk.refined))),
    )  # fmt: skip


def _aside(talk: Talk, scores: tuple[np.ndarray, np.ndarray], token_of: TokenOf) -> Iterator[Card]:
    """Pictures that were rejected."""
    base_G, now_G = scores
    positions = sorted(talk.first.state.rejected)
    for position, was, rank in zip(positions, ranks_at(base_G, positions), ranks_at(now_G, positions), strict=True):
        yield Card(token_of(position), rank, was, _move(was, rank), "", "aside", None)


def _history(talk: Talk, token_of: TokenOf) -> Iterator[Said]:
    turns = talk.first.turns
    for number, turn in enumerate(turns):
        if not follows(turns, number):
            yield _said(turn, token_of)


def _said(turn: Turn, token_of: TokenOf) -> Said:
    who = "You" if turn.by == PERSON else "Model"
    if isinstance(turn, Judged):
        text = "This is the person" if turn.yes else "Not this one"
        return Said(who, "", text, token=token_of(turn.image))
    if isinstance(turn, Answered):
        why = [text.rpartition("\t")[2] for text in turn.dropped]
        note = "; ".join(dict.fromkeys(WHY.get(reason, reason) for reason in why))
        return Said(who, " ".join(turn.questions), turn.said, f"Not used: {note}." if note else "")
    return Said(who, "", turn.text, "The query was rewritten")


def _move(before: int, rank: int) -> Move:
    return "up" if rank < before else "down" if rank > before else ""


def _begins(words: str) -> str:
    return shorten(words, 120, placeholder=" …") or words[:120]


def _similarity(score: float) -> str:
    return f"{score:.3f}"
