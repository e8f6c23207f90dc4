"""A session: a query, the first ranking, and what was said since. Everything else follows from these.

    session = begin("a woman in a red coat", base_G, rules)
    while not isinstance(step := session.step(), Done):
        session = session.take(...)               # the judge's verdict, answers, a refined query
    scores_G = session.scores(base_G, similar)    # similar: a text -> its similarity with every image, (G,)

A session never changes: `take` and `undo` give a new one. The same turns on the same similarities give the same
scores, so that a session that was written down can be played again.

Shapes: G gallery images, K candidates.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from tbpsbench.errors import DataError
from tbpsbench.interaction import fusion
from tbpsbench.interaction.questions import FIXED, Question, open_questions
from tbpsbench.interaction.rules import Rules
from tbpsbench.interaction.state import Opening, State
from tbpsbench.interaction.turns import (
    MODEL,
    Answered,
    Ask,
    Done,
    Entry,
    Judge,
    Merge,
    Refined,
    Step,
    Turn,
    Undone,
    from_plain,
    to_plain,
)
from tbpsbench.reading import parse_json, require_text

VERSION = 1
MAX_TEXT, MAX_TURNS = 10_000, 10_000
# What some readers take for the end of a line, and JSON leaves as it is.
BREAKS = re.compile("[\x85\u2028\u2029]")
Similar = Callable[[str], np.ndarray]


@dataclass(frozen=True)
class Session:
    """A dialogue about one query; see the head of this module.

    Attributes:
        query: as it was asked.
        opening: the first ranking.
        rules: how it goes.
        log: everything that happened, also what was undone.
        about: what else an export says, plain data: the system's fingerprint, say.
    """

    query: str
    opening: Opening
    rules: Rules
    log: tuple[Entry, ...] = ()
    about: tuple[tuple[str, Any], ...] = ()

    @cached_property
    def turns(self) -> tuple[Turn, ...]:
        """The turns that count."""
        found: list[Turn] = []
        for entry in self.log:
            if not isinstance(entry, Undone):
                found.append(entry)
            elif found:
                found.pop()
        return tuple(found)

    @cached_property
    def state(self) -> State:
        """Where the session stands."""
        state = self._first
        for turn in self.turns:
            state = self._after(state, turn)
        return state

    @property
    def known(self) -> tuple[str, ...]:
        """The query, or what a person wrote in its place, and the answers that hold and came after it."""
        return self.state.known(self.query)

    def at(self, turns: int) -> Session:
        """The session as it was after so many of the turns that count."""
        return replace(self, log=self.turns[:turns])

    def take(self, turn: Turn) -> Session:
        """The session after one more turn, whether it is the next `step` or what a person wanted.

        Raises:
            DataError: for a picture that is not in the gallery, or an empty or far too long text.
        """
        image = getattr(turn, "image", None)
        if image is not None and not 0 <= image < self.opening.images:
            raise DataError(f"there is no picture {image} in a gallery of {self.opening.images}")
        texts = (turn.text,) if isinstance(turn, Refined) else turn.answers if isinstance(turn, Answered) else ()
        for text in texts:
            if not text.strip() and isinstance(turn, Refined):
                raise DataError("the refined query is empty")
            if len(text) > MAX_TEXT:
                raise DataError(f"a text of {len(text)} characters is longer than {MAX_TEXT}")
            require_text(text, "a text")
        if len(self.log) >= MAX_TURNS:
            raise DataError(f"a session has at most {MAX_TURNS} turns")
        return replace(self, log=(*self.log, turn))

    def undo(self) -> Session:
        """The session without its last turn; itself where there is none. The log keeps both."""
        return replace(self, log=(*self.log, Undone())) if self.turns else self

    def step(self) -> Step:
        """What the rules want next. Whoever drives the session may do something else."""
        rules, state = self.rules, self.state
        if state.stopped and not rules.stop_refines:
            return Done("early stop")
        if rules.judged and (state.anchor < 0 or self._walks_on(state)):
            seen, walked = state.rejected | {*state.judged}, len(state.judged)
            if walked >= len(self.opening.candidates):
                return Done("no anchor" if state.anchor < 0 else "refined")
            if rules.gate == "icl":
                return Judge(self.opening.candidates[walked], walked)
            for number, image in enumerate(self.opening.candidates):
                if image not in seen:
                    return Judge(image, number)
            return Done("no anchor")
        if questions := self._questions(state):
            looked_at = state.anchor if rules.answerer == "anchor" else None
            if not rules.each or not self._unmerged(state):
                return Ask(questions if rules.batched and not rules.each else questions[:1], looked_at)
        if self._unmerged(state):
            return Merge(self.known)
        return Done("refined" if state.refined else "nothing said" if state.asked else "nothing to ask")

    def scores(self, base_G: np.ndarray, similar: Similar) -> np.ndarray:
        """(G,) float32 similarities as they stand now; `base_G` itself where nothing has changed them.

        Args:
            base_G: similarities of `query` with the gallery.
            similar: a text -> such similarities of it; asked for the refined query alone, if there is one.
        """
        state = self.state
        said = state.anchor >= 0 or state.refined not in (None, self.query)
        if not said and not (self.rules.rejected == "last" and state.rejected):
            return base_G
        refined_G = base_G if state.refined in (None, self.query) else similar(str(state.refined))
        found_G = fusion.fused(
            base_G[None], refined_G[None], np.array([state.anchor]), self.rules.lam, self.rules.anchor_mode
        )[0]
        if self.rules.rejected == "last" and state.rejected:
            found_G[sorted(state.rejected)] = found_G.min() - 1
        return found_G

    def export(self) -> str:
        """JSON Lines: a head, then one line for each entry of the log."""
        head = {
            "tbpsbench_session": VERSION, "query": self.query, "rules": self.rules.plain(),
            "opening": {**vars(self.opening)}, "about": dict(self.about),
        }  # fmt: skip
        lines = [head, *map(to_plain, self.log)]
        text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
        return BREAKS.sub(lambda found: f"\\u{ord(found[0]):04x}", text)

    @property
    def _first(self) -> State:
        """Before anything was said: without a judge to confirm it, a sure search stops here."""
        sure = self.rules.gate == "ctgi" and not self.rules.xi_confirm and self.rules.judged and self._sure
        return State(anchor=self.opening.candidates[0], stopped=True) if sure else State()

    @cached_property
    def confidence(self) -> float:
        """How sure the search is of its first candidate, on the scale of xi."""
        rules, score_K = self.rules, np.array(self.opening.scores, np.float32)
        return float(fusion.confidence(score_K, self.opening.lowest, rules.xi_scale, rules.xi_temperature))

    @property
    def _sure(self) -> bool:
        return bool(np.float32(self.confidence) > np.float32(self.rules.xi))

    def _after(self, state: State, turn: Turn) -> State:
        if isinstance(turn, Refined):
            return state.rewritten(turn)
        if isinstance(turn, Answered):
            answers = (*state.answers, *((text, turn.image) for text in turn.answers))
            # Without a filter the query is made anew from whatever was said, be it nothing.
            merged = state.merged if turn.answers or self.rules.filter_answers else -1
            return replace(state, answers=answers, asked=(*state.asked, *turn.slots), merged=merged)
        if turn.by != MODEL:
            state = replace(state, stopped=False)
            if not turn.yes:
                state = replace(state, rejected=state.rejected | {turn.image})
                return replace(state, given=False).anchored(-1) if turn.image == state.anchor else state
            return replace(state, rejected=state.rejected - {turn.image}, given=True).anchored(turn.image)
        number = len(state.judged)
        taken = fusion.accepts(
            self.rules.gate, number, yes=turn.yes, earlier_yes=state.said_yes, sure=self.confidence, xi=self.rules.xi
        )
        first = turn.image == self.opening.candidates[0]
        stops = self.rules.gate == "ctgi" and first and turn.yes and self._sure
        state = replace(
            state, judged=(*state.judged, turn.image), said_yes=state.said_yes or turn.yes, stopped=stops,
        )  # fmt: skip
        return state.anchored(turn.image) if taken and not state.given else state

    def _walks_on(self, state: State) -> bool:
        """The released code of ICL asks its judge again wherever the refined query is the old one, to no effect."""
        return self.rules.gate == "icl" and state.refined == self.query and not state.given

    def _unmerged(self, state: State) -> bool:
        return len(state.answers) != state.merged

    def _questions(self, state: State) -> tuple[Question, ...]:
        """What is still to be asked."""
        rules, left = self.rules, self.rules.max_questions - len(state.asked)
        if left <= 0 or (rules.batched and not rules.each and state.asked):
            return ()
        if rules.questions == "fixed":
            return tuple(question for question in FIXED if question.slot not in state.asked)[:left]
        return tuple(open_questions(self.known, state.asked)[:left])


def begin(
    query: str, base_G: np.ndarray, rules: Rules, order_K: np.ndarray | None = None, /, **about: Any
) -> Session:  # fmt: skip
    """A session that nothing was said in yet.

    Args:
        query: as it was asked.
        base_G: its similarities with the gallery.
        rules: how it goes.
        order_K: positions of the highest of them, best first, where somebody knows these.
        about: what an export says besides.
    """
    return Session(query, Opening.of(base_G, rules.k, order_K), rules, about=tuple(about.items()))


def read_session(lines: Iterable[str], place: str = "session") -> Session:
    """A session that was exported.

    Args:
        lines: of the export.
        place: the file, for messages.

    Raises:
        DataError: if it is none, or damaged.
    """
    found = [_line(line, f"{place}:{number}") for number, line in enumerate(lines, 1) if line.strip()]
    if not found or found[0].get("tbpsbench_session") != VERSION:
        raise DataError(f"{place}: is no session of version {VERSION} (JSON Lines with a head)")
    head, *entries = found
    if len(entries) > MAX_TURNS:
        raise DataError(f"{place}: {len(entries)} turns, more than {MAX_TURNS}")
    try:
        rules, told = Rules(**head["rules"]), dict(head["opening"])
        opening = Opening(
            tuple(int(i) for i in told["candidates"]), tuple(float(s) for s in told["scores"]),
            float(told["lowest"]), int(told["images"]),
        )  # fmt: skip
        session = Session(str(head["query"]), opening, rules, about=tuple(dict(head.get("about", {})).items()))
        opening.require_sound()
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise DataError(f"{place}:1: the head of the session is damaged ({error})") from None
    log = [from_plain(entry, opening.images, f"{place}:{n}") for n, entry in enumerate(entries, 2)]
    return replace(session, log=tuple(log))


def fused_rows(sessions: Sequence[Session], base_BG: np.ndarray, refined_BG: np.ndarray) -> np.ndarray:
    """(B, G) scores of many sessions of one set of rules at once; rows of `refined_BG` without a use are the base's."""
    rules = sessions[0].rules
    anchor_B = np.array([session.state.anchor for session in sessions])
    return fusion.fused(base_BG, refined_BG, anchor_B, rules.lam, rules.anchor_mode)


def _line(line: str, place: str) -> dict[str, Any]:
    found = parse_json(line.encode("utf-8", "surrogatepass"), place)
    if not isinstance(found, dict):
        raise DataError(f"{place}: is no JSON object")
    return found
