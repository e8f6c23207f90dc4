"""A visitor's search and what was said since. A `Talk` never changes; every function gives a new one.

Two systems take the same turns; the questions are those of the first.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from tbpsbench.app.systems import Systems, packed, unpacked
from tbpsbench.errors import DataError
from tbpsbench.interaction.answers import answered
from tbpsbench.interaction.fusion import candidates
from tbpsbench.interaction.merging import joined
from tbpsbench.interaction.rules import PRESETS, Rules
from tbpsbench.interaction.session import Session, begin, read_session
from tbpsbench.interaction.turns import PERSON, Ask, Judged, Merge, Refined, Turn
from tbpsbench.reading import require_text
from tbpsbench.system import Embedded

# A person answers, may point at any picture at any time, and what they reject comes last; a model that looks on may be
# sure early, and the person may go on all the same.
RULES: Rules = replace(PRESETS["ctgi"], answerer="person", rejected="last", stop_refines=True)
# Characters of a query or an answer, and of a query with its answers.
MAX_QUERY, MAX_REFINED = 1000, 4000
TEMPLATE = "template"
# A search that a person has made, and one that is opened again, have no more turns, undone ones included.
MOST_TURNS = 500
# Places that an export names, so that whoever plays it again sees whether it came out the same.
KEPT = 20


@dataclass(frozen=True)
class Talk:
    """One search.

    Attributes:
        sessions: one for each system.
        embedded: text -> as each system embeds it; the query, and every refined query so far.
    """

    sessions: tuple[Session, ...]
    embedded: Mapping[str, tuple[Embedded, ...]]

    @property
    def first(self) -> Session:
        """The session that asks."""
        return self.sessions[0]

    @property
    def query(self) -> str:
        """As it was asked."""
        return self.first.query

    @property
    def refined(self) -> str:
        """The query as it stands now."""
        return self.first.state.refined or self.query

    def ask(self) -> Ask | None:
        """The question that is open, if any."""
        step = self.first.step()
        return step if isinstance(step, Ask) else None

    def taking(self, turn: Turn) -> Talk:
        """All sessions after one more turn.

        Raises:
            DataError: if there were very many.
        """
        if len(self.first.log) >= MOST_TURNS:
            raise DataError(f"This search has {MOST_TURNS} turns, undone ones included. Please begin a new one.")
        return replace(self, sessions=tuple(session.take(turn) for session in self.sessions))

    def scores(self, systems: Systems, number: int, *, alone: bool = False) -> tuple[np.ndarray, np.ndarray]:
        """(G,) similarities of the query as it was asked, and as they stand now, by one of the systems.

        Args:
            systems: that were asked.
            number: of the system.
            alone: to the last bit the same whoever else searches at the moment.
        """
        searched = systems.searched[number]

        def of(text: str) -> np.ndarray:
            embedded = self.embedded[text][number]
            return searched.alone(embedded) if alone else searched.seen(embedded).score_G

        base_G = of(self.query)
        return base_G, self.sessions[number].scores(base_G, of)

    def best(self, systems: Systems, number: int, now_G: np.ndarray, count: int) -> np.ndarray:
        """(count,) positions of the highest of `scores`, best first; equal scores in the order of the gallery."""
        seen = systems.searched[number].seen(self.embedded[self.query][number])
        if now_G is seen.score_G and count <= len(seen.best_K):
            return seen.best_K[:count]
        return candidates(now_G[None], count)[0]

    def undone(self) -> Talk:
        """Without the last thing that the person did, or all that a model did in one go, and what followed of it."""
        if not self.first.turns:
            return self
        undone, left = self, starts(self.first.turns)[-1]
        while len(undone.first.turns) > left:
            undone = replace(undone, sessions=tuple(session.undo() for session in undone.sessions))
        return undone


def follows(turns: tuple[Turn, ...], number: int) -> bool:
    """Whether a turn came by itself from the answer before it."""
    turn = turns[number]
    return isinstance(turn, Refined) and turn.by != PERSON and number > 0


def starts(turns: tuple[Turn, ...]) -> list[int]:
    """Numbers of the turns that "undo" goes back to: a person's, and the first of those that a model took in one go."""
    found: list[int] = []
    for number, turn in enumerate(turns):
        persons = bool(found) and turns[found[-1]].by == PERSON
        if not found or turn.by == PERSON or (persons and not follows(turns, number)):
            found.append(number)
    return found


def checked(text: str, what: str, longest: int = MAX_QUERY) -> str:
    """A text that a person has typed, without space around it.

    Raises:
        DataError: if it is empty, too long or cannot be written.
    """
    text = " ".join(text.split())
    if not text:
        raise DataError(f"{what} is empty: write a few words")
    if len(text) > longest:
        raise DataError(f"{what} has {len(text)} characters; at most {longest} are read")
    if max(map(len, text.split())) > MAX_QUERY:  # the time that a word takes grows with the square of its length
        raise DataError(f"{what} has a word of more than {MAX_QUERY} letters")
    return require_text(text, what)


async def search(systems: Systems, query: str) -> Talk:
    """A new search.

    Raises:
        DataError: for an empty or far too long query.
    """
    query = checked(query, "The description")
    vectors = await systems.embed(query)
    return await systems.think(lambda: _begun(systems, query, vectors))


def _begun(systems: Systems, query: str, vectors: tuple[Embedded, ...]) -> Talk:
    about = {
        "systems": [{"name": one.name, "fingerprint": one.fingerprint} for one in systems.searched],
        "pictures": {"count": len(systems), "fingerprint": systems.fingerprint},
    }  # fmt: skip
    found = [searched.seen(vector) for searched, vector in zip(systems.searched, vectors, strict=True)]
    sessions = tuple(begin(query, seen.score_G, RULES, seen.best_K, **about) for seen in found)
    return Talk(sessions, {query: vectors})


async def judge(systems: Systems, talk: Talk, position: int, *, yes: bool) -> Talk:
    """The person says of a picture that it shows whom they look for, or not."""
    return await settled(systems, talk.taking(Judged(position, yes, by=PERSON)))


async def answer(systems: Systems, talk: Talk, slot: str, reply: str) -> Talk:
    """The person answers the question about `slot`.

    Raises:
        DataError: if this is not the question that is open, or the answer is empty or far too long.
    """
    step = talk.ask()
    if step is None or step.questions[0].slot != slot:
        raise DataError("This question is no longer open; the page shows the next one.")
    reply = checked(reply, "The answer")
    turn = answered(step, reply, talk.first.known, talk.first.rules, by=PERSON)
    return await settled(systems, talk.taking(turn))


async def refine(systems: Systems, talk: Talk, text: str) -> Talk:
    """The person writes the refined query anew.

    Raises:
        DataError: if it is empty or far too long.
    """
    text = checked(text, "The refined query", MAX_REFINED)
    return talk if text == talk.refined else await settled(systems, talk.taking(Refined(text, by=PERSON)))


async def settled(systems: Systems, talk: Talk) -> Talk:
    """What follows by itself: a query is made of what is known, and embedded.

    Raises:
        DataError: if it is far too long.
    """
    while isinstance(step := talk.first.step(), Merge):
        text = checked(joined(step.texts), "The query with this answer", MAX_REFINED)
        talk = talk.taking(Refined(text, by=TEMPLATE))
    refined = talk.refined
    if refined not in talk.embedded:
        talk = replace(talk, embedded={**talk.embedded, refined: await systems.embed(refined)})
    return talk


def export(systems: Systems, talk: Talk) -> str:
    """The search as JSON Lines, with the vectors of its texts and how it came out."""
    result = []
    for number in range(len(talk.sessions)):
        _, now_G = talk.scores(systems, number, alone=True)  # or it would not come out the same when it is played again
        found = candidates(now_G[None], KEPT)[0]
        result.append([[int(position), float(now_G[position])] for position in found])
    used = {talk.query, *(turn.text for turn in talk.first.turns if isinstance(turn, Refined))}
    vectors = {text: [packed(vector) for vector in talk.embedded[text]] for text in talk.embedded if text in used}
    about = (*talk.first.about, ("vectors", vectors), ("result", result))
    return replace(talk.first, about=about).export()


async def replayed(systems: Systems, text: str, place: str = "session") -> tuple[Talk, bool]:
    """A search that was exported, and whether it comes out as it did.

    Args:
        text: the export.
        place: its file, for messages.

    Raises:
        DataError: if it is damaged, or of other pictures or systems.
    """
    read = read_session(text.splitlines(), place)
    if len(read.log) > MOST_TURNS:
        raise DataError(f"{place}: has {len(read.log)} turns; at most {MOST_TURNS} are read")
    about = dict(read.about)
    told = about.get("pictures"), about.get("systems")
    own = (
        {"count": len(systems), "fingerprint": systems.fingerprint},
        [{"name": one.name, "fingerprint": one.fingerprint} for one in systems.searched],
    )
    if told[0] != own[0]:
        raise DataError(f"{place}: was made on other pictures; open the index that it was made with")
    if told[1] != own[1]:
        raise DataError(f"{place}: was made by other systems: {_names(told[1])}; here: {_names(own[1])}")
    embedded: dict[str, tuple[Embedded, ...]] = {}
    kept = about.get("vectors")
    for words in dict.fromkeys([read.query, *(turn.text for turn in read.turns if isinstance(turn, Refined))]):
        now = await systems.embed(checked(words, "a text of the session", MAX_REFINED))
        stored = kept.get(words) if isinstance(kept, dict) else None
        if isinstance(stored, list) and len(stored) == len(now):
            now = tuple(unpacked(one, like, words) for one, like in zip(stored, now, strict=True))
        embedded[words] = now
    begun = _begun(systems, read.query, embedded[read.query])
    sessions = tuple(
        replace(session, rules=read.rules, log=read.log, about=begun.first.about) for session in begun.sessions
    )
    talk = Talk(sessions, embedded)
    played = await systems.think(lambda: export(systems, talk))
    again = dict(read_session(played.splitlines()).about)["result"]
    return await settled(systems, talk), again == about.get("result")


def _names(systems: object) -> str:
    known = systems if isinstance(systems, list) else []
    return ", ".join(str(one.get("name")) for one in known if isinstance(one, dict)) or "?"
