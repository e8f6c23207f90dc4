"""MTI, multi-turn text interaction (CTGI, section 3.3), and its released relative in ICL: two presets of one thing."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, replace
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from tbpsbench.errors import ConfigError
from tbpsbench.interaction import fusion
from tbpsbench.interaction.base import (
    ABLATIONS,
    BUDGETS,
    JUDGE_ONLY,
    REFINEMENT_ONLY,
    Blocks,
    Chooser,
    Interacted,
    Interactor,
    Rows,
    Scene,
)
from tbpsbench.interaction.models import PLACE, Models, require_answers
from tbpsbench.interaction.play import TEMPERATURE, Spent, play
from tbpsbench.interaction.rules import PRESETS, Answerer, Asked, Rules
from tbpsbench.interaction.session import Session
from tbpsbench.interaction.state import openings
from tbpsbench.interaction.turns import PERSON, Judged, Refined
from tbpsbench.mllm.meter import Budget
from tbpsbench.registry import INTERACTORS

BLOCK = 256  # queries whose similarities are held at once
AT_ONCE = 64  # sessions under way; how many requests, a client says
State = tuple[int, str | None]  # anchor and refined query


@INTERACTORS.register()
class MTI(Interactor):
    """Judge candidates, ask about the anchor what the query leaves open, search again with all that is known.

    Arguments that are None are the preset's; for their meaning see `interaction/rules.py`.

    Args:
        mllm: MLLM_CLIENTS component that judges and answers.
        preset: "ctgi", the paper's text, or "icl", the released code of ICL and CONQUER.
        judge: another client that judges.
        reconstructor: client that makes one query of the query and the answers; None: `mllm`.
        template: no client does: sentences are put after one another.
        k, lam, anchor_mode, xi, xi_scale, xi_temperature, xi_confirm, stop_refines, gate, answerer, questions,
            max_questions, batched, filter_answers: the rules.
        temperature: of all replies.
        ablations: what is evaluated beside the method; those with other anchors ask further questions.
        budgets: calls a query, at each of which the results are reported.
        cache: SQLite file of replies; without one they are kept for as long as the evaluation lasts, so that ablations
            and further protocols find those of the method.
        recording: JSON Lines of all requests and replies, which `Replay` answers from; not the cache's file.
        budget: of the whole evaluation: calls, tokens, usd. It needs a cache, so that nothing that was
            paid for is lost.

    Raises:
        ValueError: for a value out of range.
    """

    def __init__(
        self,
        mllm: Mapping[str, Any] | None = None,
        preset: Literal["ctgi", "icl"] = "ctgi",
        judge: Mapping[str, Any] | None = None,
        reconstructor: Mapping[str, Any] | None = None,
        template: bool = False,
        k: int | None = None,
        lam: float | None = None,
        anchor_mode: fusion.AnchorMode | None = None,
        xi: float | None = None,
        xi_scale: fusion.Scale | None = None,
        xi_temperature: float | None = None,
        xi_confirm: bool | None = None,
        stop_refines: bool | None = None,
        gate: fusion.Gate | None = None,
        answerer: Answerer | None = None,
        questions: Asked | None = None,
        max_questions: int | None = None,
        batched: bool | None = None,
        filter_answers: bool | None = None,
        temperature: float = TEMPERATURE,
        ablations: Sequence[str] = ABLATIONS,
        budgets: Sequence[int] = BUDGETS,
        cache: str | None = None,
        recording: str | None = None,
        budget: Mapping[str, Any] | None = None,
    ) -> None:
        if preset not in PRESETS:
            raise ValueError(f"preset is {preset!r}, expected one of {', '.join(PRESETS)}")
        named: dict[str, Any] = {
            "k": k, "lam": lam, "anchor_mode": anchor_mode, "xi": xi, "xi_scale": xi_scale,
            "xi_temperature": xi_temperature, "xi_confirm": xi_confirm, "stop_refines": stop_refines, "gate": gate,
            "answerer": answerer, "questions": questions, "max_questions": max_questions, "batched": batched,
            "filter_answers": filter_answers,
        }  # fmt: skip
        self.rules = replace(PRESETS[preset], **{key: value for key, value in named.items() if value is not None})
        if self.rules.answerer == "person":
            raise ValueError("answerer is 'person': nobody sits at an evaluation (tools/chat.py is for persons)")
        if template and reconstructor is not None:
            raise ValueError("template=True and a reconstructor: one of them makes the query; leave one out")
        if unknown := [name for name in ablations if name not in ABLATIONS]:
            raise ValueError(f"ablations has {unknown[0]!r}, expected some of: {', '.join(ABLATIONS)}")
        if not isinstance(budgets, list | tuple) or any(not isinstance(n, int) or n < 1 for n in budgets):
            raise ValueError(f"budgets are {budgets!r}, expected numbers of calls, 1 or more")
        if budget is not None and (
            not isinstance(budget, Mapping) or set(budget) - {one.name for one in fields(Budget)}
        ):
            raise ValueError(f"budget is {budget!r}, expected some of: dict(calls=..., tokens=..., usd=...)")
        if budget and cache is None:
            raise ValueError("a budget without a cache: replies would be lost when it is used up; add cache='FILE'")
        if cache is not None and cache == recording:
            raise ValueError(f"cache and recording are both {cache!r}: name two files")
        self.mllm, self.ablations, self.budgets = mllm, tuple(ablations), tuple(sorted({*budgets}))
        parts = {"mllm": mllm, "judge": judge, "reconstructor": reconstructor}
        self._models = Models(parts, template, self.rules, temperature, cache, recording, budget or {})
        self.answerer = self.rules.answerer

    def describe(self) -> list[dict[str, Any]]:
        """The clients that were asked, with what each did."""
        return self._models.described

    def interact(self, scene: Scene, forced: Mapping[str, Chooser]) -> tuple[Interacted, dict[str, Interacted]]:
        if self.mllm is None:
            raise ConfigError(
                f"{PLACE}.mllm: names the model that judges and answers, e.g. dict(type='OpenAICompatible', model=...) "
                "or, on MiniPEDES, dict(type='Simulated')"
            )
        if self.rules.answerer in ("witness", "oracle") and scene.target is None:
            raise ConfigError(f"{PLACE}.answerer: {self.rules.answerer!r} knows the person, which is not told here")
        begun = self._begun(scene)
        picked = {name: choose(_candidates(begun)) for name, choose in forced.items()}
        variants: dict[str, list[Session]] = {"": begun}
        if self.rules.judged:
            variants |= {name: self._with_anchors(begun, anchors) for name, anchors in picked.items()}
        played = asyncio.run(self._play(scene, variants))
        told = {text for sessions, _ in played.values() for one in sessions for text in _texts(one)}
        texts = sorted(told)
        similar = scene.similar(texts) if texts else None
        row_of = {text: row for row, text in enumerate(texts)}

        def outcome(name: str) -> Interacted:
            return self._outcome(scene, *played[name], similar, row_of)

        return outcome(""), {name: outcome(name) for name in variants if name}

    def _begun(self, scene: Scene) -> list[Session]:
        found: list[Session] = []
        for start in range(0, len(scene.texts), BLOCK):
            stop = min(start + BLOCK, len(scene.texts))
            opened = openings(scene.scores(start, stop).numpy(), self.rules.k)
            found += [Session(text, one, self.rules) for text, one in zip(scene.texts[start:stop], opened, strict=True)]
        return found

    def _with_anchors(self, begun: Sequence[Session], anchors: np.ndarray) -> list[Session]:
        """Sessions whose anchors are settled, as if a person had clicked on them; those without one are over."""
        return [
            session.take(Judged(int(anchor), True, by=PERSON)) if anchor >= 0 else replace(session, rules=_OVER)
            for session, anchor in zip(begun, anchors, strict=True)
        ]

    async def _play(
        self, scene: Scene, variants: Mapping[str, list[Session]]
    ) -> dict[str, tuple[list[Session], list[Spent]]]:
        limit = asyncio.Semaphore(AT_ONCE)
        async with self._models.opened() as cast:
            self.simulated = self._models.simulated

            async def one(row: int, session: Session, spent: Spent) -> Session:
                own = cast
                if self.rules.answerer in ("witness", "oracle") and scene.target is not None:
                    target = scene.target(row)
                    own = replace(cast, target=target.picture, memory=target.memory)
                async with limit:
                    return await play(session, own, scene.picture, spent)

            found = {}
            for name, sessions in variants.items():  # one after another: an ablation finds the replies of the method
                spent = [Spent() for _ in sessions]
                try:
                    async with asyncio.TaskGroup() as group:
                        tasks = [
                            group.create_task(one(row, session, own))
                            for row, (session, own) in enumerate(zip(sessions, spent, strict=True))
                        ]
                except ExceptionGroup as failed:
                    raise failed.exceptions[0] from None
                found[name] = ([task.result() for task in tasks], spent)
                require_answers(spent)
        return found

    def _outcome(
        self, scene: Scene, sessions: list[Session], spent: list[Spent], similar: Rows | None, row_of: Mapping[str, int]
    ) -> Interacted:
        def scores(states: Sequence[State], mode: fusion.AnchorMode = self.rules.anchor_mode) -> Blocks:
            return _scores(scene, states, self.rules.lam, mode, similar, row_of)

        ends = [_state(session) for session in sessions]
        rounds = [[_state(session.at(n)) for n in _round_ends(session)] for session in sessions]
        longest = max(map(len, rounds), default=0)
        steps = [[own[min(n, len(own) - 1)] if own else end for own, end in zip(rounds, ends, strict=True)]
                 for n in range(longest)]  # fmt: skip
        without = {}
        if self.rules.judged:
            without[JUDGE_ONLY] = scores([(anchor, None) for anchor, _ in ends])
            without[REFINEMENT_ONLY] = scores([(-1, refined) for _, refined in ends])
        return Interacted(
            scores(ends),
            [scores(states) for states in steps] or [scores(ends)],
            np.array([anchor for anchor, _ in ends], dtype=np.int64),
            _candidates(sessions),
            spent,
            {name: found for name, found in without.items() if name in self.ablations},
            {
                calls: scores([_state(_within(*pair, calls)) for pair in zip(sessions, spent, strict=True)])
                for calls in self.budgets
            },
            sum(session.state.stopped for session in sessions),
            sessions,
        )


_OVER = Rules(k=1, max_questions=0, answerer="person")


def _candidates(sessions: Sequence[Session]) -> np.ndarray:
    return np.array([session.opening.candidates for session in sessions], dtype=np.int64)


def _state(session: Session) -> State:
    refined = session.state.refined
    return session.state.anchor, None if refined == session.query else refined


def _texts(session: Session) -> set[str]:
    """Every text that takes the query's place at some time."""
    return {turn.text for turn in session.turns if isinstance(turn, Refined)}


def _round_ends(session: Session) -> list[int]:
    """Turns after which each round is over: a candidate was judged and what follows from it is done, or an answer was
    given and merged."""
    turns, judged = session.turns, session.rules.judged
    starts = [
        n for n, turn in enumerate(turns)
        if (isinstance(turn, Judged) if judged else not isinstance(turn, Judged | Refined))
    ]  # fmt: skip
    return [*starts[1:], len(turns)] if starts else []


def _within(session: Session, spent: Spent, calls: int) -> Session:
    """The session as far as so many calls go."""
    free = len(session.turns) - len(spent.calls)  # turns before a model was asked: anchors that are given
    taken = free
    for cost in spent.calls:
        if cost > calls:
            break
        calls -= cost
        taken += 1
    return session.at(taken)


def _scores(
    scene: Scene, states: Sequence[State], lam: float, mode: fusion.AnchorMode, similar: Rows | None,
    row_of: Mapping[str, int],
) -> Callable[[int, int], Tensor]:  # fmt: skip
    """(start, stop) -> scores of queries in these states."""

    def found(start: int, stop: int) -> Tensor:
        base_BG = scene.scores(start, stop).numpy()
        refined_BG, own = np.array(base_BG, np.float32), states[start:stop]
        rows = [(n, row_of[text]) for n, (_, text) in enumerate(own) if text is not None]
        if rows and similar is not None:
            places, texts = np.array(rows).T
            refined_BG[places] = similar(texts)
        anchor_B = np.array([anchor for anchor, _ in own], dtype=np.int64)
        return torch.from_numpy(fusion.fused(base_BG, refined_BG, anchor_B, lam, mode))

    return found
