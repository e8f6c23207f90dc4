"""A session with models in it: one judges, one answers, one makes a query of what is known."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tbpsbench.captions.prompts import QUESTION, QUESTIONS, numbered
from tbpsbench.captions.reading import read
from tbpsbench.captions.validate import spoiled
from tbpsbench.interaction.answers import answered
from tbpsbench.interaction.merging import joined
from tbpsbench.interaction.prompts import AGGREGATE, JUDGE, REMEMBER
from tbpsbench.interaction.session import MAX_TEXT, Session
from tbpsbench.interaction.turns import Answered, Ask, Done, Judge, Judged, Merge, Refined, Turn
from tbpsbench.interaction.verdicts import says_yes
from tbpsbench.mllm.base import MLLMClient
from tbpsbench.mllm.errors import ItemError
from tbpsbench.mllm.messages import Message, Picture, Reply, Request

TEMPERATURE = 0.01
MAX_TOKENS = {"judge": 16, "answer": 60, "answers": 600, "merge": 400}
Claims = tuple[tuple[str, tuple[str, ...]], ...]
Pictures = Callable[[int], Picture]


@dataclass
class Spent:
    """What a session took.

    Attributes:
        calls: of each turn that a model made, in order: 1, or 0 where no model was asked (a template).
        prompt_tokens, completion_tokens: of the replies, cached ones included.
        seconds: that models were waited for.
        usd: where prices are known, cached replies included.
        failed: requests that brought nothing.
        sent: requests that went to a server, tries included; less than `calls` where a cache answers.
    """

    calls: list[int] = field(default_factory=list)
    prompt_tokens: int = 0
    completion_tokens: int = 0
    seconds: float = 0.0
    usd: float = 0.0
    failed: int = 0
    sent: int = 0

    def add(self, reply: Reply, client: MLLMClient) -> None:
        """Count a reply."""
        self.seconds += reply.seconds
        self.count(reply.prompt_tokens, reply.completion_tokens, 0 if reply.cached else reply.calls, client)

    def count(self, prompt_tokens: int, completion_tokens: int, sent: int, client: MLLMClient) -> None:
        """Count tokens and requests, whatever they brought."""
        self.prompt_tokens += prompt_tokens
        self.completion_tokens += completion_tokens
        self.sent += sent
        self.usd += client.price.of(prompt_tokens, completion_tokens) if client.price else 0.0


@dataclass(frozen=True)
class Cast:
    """Who plays which part in a session. Nobody here knows an id or a path: they see pictures and texts.

    Attributes:
        judge: says whether a picture fits the query.
        answerer: answers questions about a picture, or from `memory`.
        reconstructor: makes one query of the query and the answers; None: a template does.
        target: the picture that is looked for, for the answerer "oracle" alone.
        memory: a text about the person who is looked for, for the answerer "witness" alone.
        temperature: of the replies.
    """

    judge: MLLMClient
    answerer: MLLMClient
    reconstructor: MLLMClient | None = None
    target: Picture | None = None
    memory: str = ""
    temperature: float = TEMPERATURE

    async def once(self, session: Session, pictures: Pictures, spent: Spent | None = None) -> Session:
        """One step; the session itself where nothing is left to do. A request that fails is a no, or no answer; so is
        a reply that is no text or far too long. A refusal, or thoughts, in place of a new query leave the template's.

        Raises:
            StopRun: if no request can be answered any more.
        """
        step, spent = session.step(), spent or Spent()
        if isinstance(step, Done):
            return session
        turn: Turn
        if isinstance(step, Judge):
            reply = await self._asked(self.judge, self._judge(session, pictures(step.image)), spent)
            turn = Judged(step.image, says_yes(reply), said=reply)
        elif isinstance(step, Ask):
            reply = await self._asked(self.answerer, self._ask(session, step, pictures), spent)
            turn = answered(step, reply, session.known, session.rules)
        else:
            turn = await self._merged(step, spent)
        return session.take(turn)

    async def _merged(self, step: Merge, spent: Spent) -> Refined:
        reply = ""
        if self.reconstructor is None:
            spent.calls.append(0)
        else:
            query, *answers = step.texts
            text = AGGREGATE.fill(query=query, answers=numbered(answers))
            request = self._request(AGGREGATE.id, text, None, "merge", "merge", texts=step.texts)
            reply = " ".join((await self._asked(self.reconstructor, request, spent, whole=True)).split())
            if spoiled(reply):
                spent.failed += 1
                reply = ""
        return Refined(reply) if reply else Refined(joined(step.texts), by="template")

    def _judge(self, session: Session, picture: Picture) -> Request:
        text = JUDGE.fill(query=session.query)
        return self._request(
            JUDGE.id, text, picture, "judge", "judge", texts=(session.query,), claims=claims(session.query)
        )

    def _ask(self, session: Session, step: Ask, pictures: Pictures) -> Request:
        texts = [question.text for question in step.questions]
        topic, one = tuple(question.slot for question in step.questions), len(texts) == 1
        if session.rules.answerer == "witness":
            text = REMEMBER.fill(memory=self.memory, question=" ".join(texts))
            return self._request(
                REMEMBER.id, text, None, "answer", "answer", topic, (self.memory,), claims(self.memory)
            )
        picture = pictures(step.image) if step.image is not None else self.target
        prompt = QUESTION if one else QUESTIONS
        text = prompt.fill(question=texts[0]) if one else prompt.fill(questions=numbered(texts))
        return self._request(prompt.id, text, picture, "answer", "answer" if one else "answers", topic)

    def _request(
        self, prompt: str, text: str, picture: Picture | None, task: Any, length: str,
        topic: tuple[str, ...] = (), texts: tuple[str, ...] = (), claims: Claims = (),
    ) -> Request:  # fmt: skip
        shown = (picture,) if picture is not None else ()
        return Request(
            (Message("user", text, shown),), MAX_TOKENS[length], self.temperature, prompt=prompt, task=task,
            topic=topic, texts=texts, claims=claims,
        )  # fmt: skip

    async def _asked(self, client: MLLMClient, request: Request, spent: Spent, *, whole: bool = False) -> str:
        """What a client says, "" where it brings nothing; with `whole`, a reply that was cut off brings nothing."""
        started = time.perf_counter()
        spent.calls.append(1)
        try:
            reply = await client.ask(request)
        except ItemError as error:
            spent.failed += 1
            spent.seconds += time.perf_counter() - started
            prompt, completion = error.used or (0, 0)
            spent.count(prompt, completion, error.calls, client)
            return ""
        spent.add(reply, client)
        text = "".join(sign for sign in reply.text if sign != "\0" and not "\ud800" <= sign <= "\udfff")
        if len(text) > MAX_TEXT or (whole and reply.finish_reason == "length"):
            spent.failed += 1
            return ""
        return text


async def play(session: Session, cast: Cast, pictures: Pictures, spent: Spent | None = None) -> Session:
    """A session to its end.

    Args:
        session: where to go on.
        cast: who plays.
        pictures: position in the gallery -> the picture there.
        spent: is added to.

    Raises:
        StopRun: if no request can be answered any more.
    """
    spent = Spent() if spent is None else spent
    while not isinstance(session.step(), Done):
        session = await cast.once(session, pictures, spent)
    return session


def claims(text: str) -> Claims:
    """What a text says, as plain data for `Request.claims`."""
    return tuple((factor, tuple(values)) for factor, values in read(text).facts.items())


__all__ = ["Answered", "Cast", "Spent", "claims", "play"]
