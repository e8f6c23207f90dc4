"""MTG: a caption that grows by questions (CTGI, "Chat-driven text generation and interaction for person retrieval",
section 3.1): a static caption, N rounds of question and answer, one fluent caption of all that was kept.

The paper publishes neither its questions, nor their order, nor what is "low relevance or redundant". Here the pool is
questions about the slots of slots.py; each round asks the one whose slots are known least (`coverage`); answers.py says
what is dropped.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean
from typing import Any

from tbpsbench.captions.answers import kept_of, numbered_answers
from tbpsbench.captions.ask import MIN_ANSWERS_TOKENS, Asker
from tbpsbench.captions.generated import Draft, GeneratedSource, Scorer, Text
from tbpsbench.captions.prompts import QUESTION, QUESTIONS, RECONSTRUCT, STATIC, Prompt, numbered
from tbpsbench.captions.reading import Reading, read
from tbpsbench.captions.slots import SLOTS, Question, questions_for, slots_named
from tbpsbench.captions.validate import Rules, Verdict, check, tidy
from tbpsbench.model.roles import QUERY
from tbpsbench.registry import CAPTION_SOURCES
from tbpsbench.types import ImageRecord

STATIC_SLOTS = ("sex", "hair", "upper", "lower", "shoes")
# What a slot is known by: its factors, as reading.py calls them.
FACTORS: dict[str, tuple[str, ...]] = {
    "sex": ("sex",), "age": ("age",), "build": ("build", "height"), "skin": ("skin",),
    "hair": ("hair_style", "hair_colour"), "beard": ("beard",), "upper": ("upper", "upper_colour", "upper_pattern"),
    "lower": ("lower", "lower_colour"), "shoes": ("shoes", "shoe_colour"), "bag": ("bag", "bag_colour"),
    "hat": ("hat", "hat_colour"), "glasses": ("glasses",), "held": ("carried", "carried_colour"), "action": ("action",),
}  # fmt: skip
TRIED_STATIC = Rules(min_words=3, min_slots=0, about_picture=True, denials=True)
ANSWER = Rules(min_words=1, max_words=60, min_slots=0, about_picture=True, denials=True, sentences=False)
# What is wrong with an answer that is asked for again.
SERIOUS = ("refusal", "reasoning", "run", "empty", "cut: the reply")


@dataclass
class _Dialogue:
    """What is known of one image.

    Attributes:
        static: the first caption.
        kept: answers that enter the caption.
        log: every round.
    """

    static: str
    kept: list[str] = field(default_factory=list)
    log: list[dict[str, Any]] = field(default_factory=list)

    @property
    def known(self) -> list[str]:
        return [self.static, *self.kept]

    @property
    def facts(self) -> Reading:
        return read(" ".join(self.known))


@CAPTION_SOURCES.register("mtg")
class MTG(GeneratedSource):
    """Multi-turn text generation.

    Args:
        name: of the caption file.
        rounds: questions for an image, N; 0 leaves the static caption.
        slots: the pool of what is asked; default: all but the action.
        kindred: ask about kindred slots in one question: bag and object in the hands, hat and glasses, age and build,
            skin and beard.
        batched: ask all questions in one numbered call: 3 calls for an image instead of N + 2.
        max_tokens: longest caption in CLIP's tokens; 248 after stretching its positions, 77 without.
        max_words: longest caption that is asked for, in words.
        min_words, min_slots: shortest caption, in words, and slots that it must say something about.
        margin: with a retriever: an answer is dropped if its similarity to the image is below that of the static
            caption by more than this.
    """

    clients = ("mllm", "reconstructor")

    def __init__(
        self, name: str = "mtg", rounds: int = 6, slots: Sequence[str] | None = None, kindred: bool = True,
        batched: bool = False, max_tokens: int = 248, max_words: int = 130, min_words: int = 8, min_slots: int = 3,
        margin: float = 0.05,
    ) -> None:  # fmt: skip
        super().__init__(name)
        if rounds < 0 or max_tokens < 3 or margin < 0:
            raise ValueError(f"rounds={rounds}, max_tokens={max_tokens}, margin={margin}: none can be that small")
        asked = slots_named(slots if slots is not None else [s for s in SLOTS if s != "action"], "source.slots")
        pool = questions_for(asked, kindred)
        self.rounds, self.pool, self.batched, self.margin = rounds, pool, batched, margin
        self.rules = Rules(min_words, max_words, max_tokens, min_slots)
        self.scorer: Scorer | None = None  # set by whoever has a retriever

    def prompts(self) -> tuple[Prompt, ...]:
        asked = () if self.rounds == 0 else (QUESTIONS if self.batched else QUESTION, RECONSTRUCT)
        return (STATIC, *asked)

    async def write(self, image: ImageRecord, path: Path, asker: Asker) -> Draft:  # noqa: ARG002
        rules = TRIED_STATIC if self.rounds else self.rules
        static, verdict = await asker.sound(
            "mllm", "static caption", STATIC, STATIC.text, rules, task="caption", topic=STATIC_SLOTS
        )
        talk = _Dialogue(static)
        if self.batched:
            await self._all_at_once(talk, asker, path)
        else:
            await self._one_by_one(talk, asker, path)
        text = static
        if self.rounds:
            text, verdict = await self._merged(talk, asker)
        log = {"static_caption": static, "qa": talk.log, "lost": _lost(talk, text)} if self.rounds else {}
        return Draft([Text(QUERY, text, verdict)], log)

    async def _one_by_one(self, talk: _Dialogue, asker: Asker, path: Path) -> None:
        asked: list[str] = []
        for _ in range(self.rounds):
            question = least_covered(self.pool, talk.facts, asked)
            if question is None:
                break
            asked.append(question.name)
            text = QUESTION.fill(question=question.text)
            async for reply in asker.tries("mllm", QUESTION, text, task="answer", topic=(question.name,)):
                broken = _serious(reply.text, reply.finish_reason)
                if broken is None:
                    break
            self._consider(talk, question, reply.text, path, broken)

    async def _all_at_once(self, talk: _Dialogue, asker: Asker, path: Path) -> None:
        chosen: list[Question] = []
        facts = talk.facts
        while len(chosen) < self.rounds and (question := least_covered(self.pool, facts, [q.name for q in chosen])):
            chosen.append(question)
        if not chosen:
            return
        text = QUESTIONS.fill(questions=numbered([question.text for question in chosen]))
        request = asker.request(
            QUESTIONS, text, task="answer", topic=tuple(question.name for question in chosen),
            max_tokens=MIN_ANSWERS_TOKENS * len(chosen),
        )  # fmt: skip
        reply = await asker.ask("mllm", request)
        for question, answer in zip(chosen, numbered_answers(reply.text, len(chosen)), strict=True):
            self._consider(talk, question, answer, path, _serious(answer) if answer else None)

    def _consider(self, talk: _Dialogue, question: Question, reply: str, path: Path, broken: str | None) -> None:
        """Keep an answer or drop it, and note which."""
        answer, dropped = tidy(reply), broken
        if dropped is None:
            answer, dropped = kept_of(answer, talk.known, talk.facts, parts=len(question.slots))
        score = None
        if dropped is None and self.scorer is not None:
            own, static = self.scorer(path, [answer, talk.static])
            score = {"answer": own, "static": static}
            dropped = "does not fit the image" if own < static - self.margin else None
        if dropped is None:
            talk.kept.append(answer)
        talk.log.append({
            "round": len(talk.log) + 1, "slot": question.name, "q": question.text, "a": answer, "kept": dropped is None,
            "drop_reason": dropped, **({"score": score} if score else {}),
        })  # fmt: skip

    async def _merged(self, talk: _Dialogue, asker: Asker) -> tuple[str, Verdict]:
        """One caption of the static one and the answers; the static one as it is where nothing was added."""
        alone = check(talk.static, self.rules)
        if not talk.kept and alone.ok:
            return talk.static, alone
        pairs = [f"Q: {turn['q']} A: {turn['a']}" for turn in talk.log if turn["kept"]]
        words = str(min(self.rules.max_words, 4 * self.rules.max_tokens // 6))
        text = RECONSTRUCT.fill(description=talk.static, answers=numbered(pairs), words=words)
        return await asker.sound(
            "reconstructor", "caption", RECONSTRUCT, text, self.rules, task="merge", texts=tuple(talk.known),
            shown=False,
        )  # fmt: skip


def least_covered(pool: Sequence[Question], facts: Reading, asked: Collection[str]) -> Question | None:
    """The question to ask: the one of whose slots the smallest share is known; the heavier one among equals.

    Returns:
        None if each was asked or its slots are known whole.
    """
    known = {question.name: fmean(coverage(slot, facts) for slot in question.slots) for question in pool}
    left = [question for question in pool if question.name not in asked and known[question.name] < 1]
    return min(left, key=lambda question: (known[question.name], -question.weight), default=None)


def coverage(slot: str, facts: Reading) -> float:
    """Share of a slot's factors that are known; a thing that is known not to be there is known whole."""
    factors = FACTORS[slot]
    if {*factors} & facts.denied:
        return 1.0
    return sum(factor in facts.facts for factor in factors) / len(factors)


def _serious(answer: str, finish_reason: str = "stop") -> str | None:
    """Why an answer is no answer, or None."""
    reasons = check(answer, ANSWER, finish_reason).reasons
    return next((f"unsound ({reason})" for reason in reasons if reason.startswith(SERIOUS)), None)


def _lost(talk: _Dialogue, text: str) -> list[str]:
    """What was known and is not in the caption, as "factor=value"."""
    said = read(text).facts
    return [
        f"{factor}={value}"
        for factor, values in talk.facts.facts.items()
        for value in values
        if value not in said.get(factor, ())
    ]
