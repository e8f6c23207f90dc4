"""Asking about one image: what is sent to which model, what it cost, and a text that is asked for until it is sound."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from tbpsbench.captions.prompts import Prompt
from tbpsbench.captions.validate import Rules, Verdict, check, tidy
from tbpsbench.errors import TBPSError
from tbpsbench.mllm.base import MLLMClient
from tbpsbench.mllm.messages import Message, Picture, Reply, Request, Task

Validation = Literal["strict", "permissive"]
MAX_TOKENS: Mapping[Task, int] = {
    "caption": 160, "answer": 64, "merge": 400, "dual": 160, "mask": 200, "style": 80,
}  # fmt: skip
MIN_ANSWERS_TOKENS = 48  # for each question of a call that holds several


@dataclass(frozen=True)
class Decoding:
    """How models are told to answer.

    Attributes:
        temperature: of a first try; CTGI, section 4.2: 0.01.
        retry_temperature: of a further try, which would otherwise give the same text again.
        retries: further tries for a text that is not sound.
        validation: "strict" fails an image whose text stays unsound, "permissive" keeps the text with what is wrong.
    """

    temperature: float = 0.01
    retry_temperature: float = 0.7
    retries: int = 2
    validation: Validation = "strict"


class Unsound(TBPSError):
    """A text that is not what it must be, after every try.

    Args:
        what: which text, e.g. "caption".
        reasons: what is wrong with the last try.
        text: the last try.
    """

    exit_code = 1

    def __init__(self, what: str, reasons: tuple[str, ...], text: str) -> None:
        super().__init__(f"{what}: {'; '.join(reasons)}")
        self.what, self.reasons, self.text = what, reasons, text


@dataclass
class Usage:
    """What the texts of one image took.

    Attributes:
        calls: requests that were sent, 0 for what came from a cache.
        answers: replies, cached ones included.
        prompt_tokens, completion_tokens: of these replies.
        seconds: models were waited for.
        usd: where prices are known.
    """

    calls: int = 0
    answers: int = 0
    cached: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    seconds: float = 0.0
    usd: float = 0.0

    def add(self, reply: Reply, client: MLLMClient) -> None:
        """Count a reply."""
        self.calls += 0 if reply.cached else reply.calls
        self.answers += 1
        self.cached += reply.cached
        self.prompt_tokens += reply.prompt_tokens
        self.completion_tokens += reply.completion_tokens
        self.seconds += reply.seconds
        price = getattr(client, "price", None)
        self.usd += price.of(reply.prompt_tokens, reply.completion_tokens) if price and not reply.cached else 0.0

    def plain(self) -> dict[str, Any]:
        """As plain data."""
        return {**vars(self), "seconds": round(self.seconds, 3), "usd": round(self.usd, 8)}


@dataclass
class Asker:
    """Asks the models of a run about one image.

    Attributes:
        clients: what for ("mllm", "reconstructor", "masker", "describer") -> who is asked.
        decoding: how.
        picture: the image; None where none is shown.
        again: whether the image failed before and is tried anew: replies that were kept then are no tries of this run.
        usage: so far.
        attempts: the largest number of tries that a text took.
        servers: who answered.
    """

    clients: Mapping[str, MLLMClient]
    decoding: Decoding
    picture: Picture | None = None
    again: bool = False
    usage: Usage = field(default_factory=Usage)
    attempts: int = 1
    servers: set[str] = field(default_factory=set)

    def request(
        self, prompt: Prompt, text: str, *, task: Task, topic: tuple[str, ...] = (), texts: tuple[str, ...] = (),
        shown: bool = True, attempt: int = 0, max_tokens: int | None = None,
    ) -> Request:  # fmt: skip
        """The request for a prompt that was filled in; tries beyond those of one run begin anew."""
        pictures = (self.picture,) if shown and self.picture is not None else ()
        first = attempt % (1 + self.decoding.retries) == 0
        return Request(
            (Message("user", text, pictures),), max_tokens or MAX_TOKENS[task],
            self.decoding.temperature if first else self.decoding.retry_temperature,
            prompt=prompt.id, attempt=attempt, task=task, topic=topic, texts=texts,
        )  # fmt: skip

    async def ask(self, who: str, request: Request) -> Reply:
        """Ask once.

        Raises:
            ItemError, StopRun: see `MLLMClient.ask`.
        """
        client = self.clients[who]
        reply = await client.ask(request)
        self.usage.add(reply, client)
        if reply.server:
            self.servers.add(reply.server)
        return reply

    async def tries(self, who: str, prompt: Prompt, text: str, **options: Any) -> AsyncIterator[Reply]:
        """Replies to one question, each of another try: 1 + retries of them, and those of an earlier run before them.

        Args:
            who, prompt, text, options: see `sound` and `request`.
        """
        left, attempt = 1 + self.decoding.retries, 0
        while left:
            reply = await self.ask(who, self.request(prompt, text, attempt=attempt, **options))
            left -= not (self.again and reply.cached)
            attempt += 1
            yield reply

    async def sound(
        self, who: str, what: str, prompt: Prompt, text: str, rules: Rules, *, task: Task,
        topic: tuple[str, ...] = (), texts: tuple[str, ...] = (), shown: bool = True,
    ) -> tuple[str, Verdict]:  # fmt: skip
        """Ask until the text is sound, at most 1 + retries times.

        Args:
            who: which client.
            what: which text it is, for messages.
            prompt, text: the prompt, and the same filled in.
            rules: what the text must be like.
            task, topic, texts, shown: of the request.

        Returns:
            The text, tidied, and what is wrong with it: nothing, unless validation is permissive.

        Raises:
            Unsound: if it stays unsound, or has no word.
            ItemError, StopRun: see `MLLMClient.ask`.
        """
        reply, verdict, tries = None, Verdict((), ()), 0
        async for reply in self.tries(who, prompt, text, task=task, topic=topic, texts=texts, shown=shown):
            tries += 1
            self.attempts = max(self.attempts, tries)
            verdict = check(reply.text, rules, reply.finish_reason)
            if verdict.ok or (self.decoding.validation == "permissive" and not verdict.empty):
                return tidy(reply.text), verdict
        assert reply is not None
        raise Unsound(what, verdict.reasons, tidy(reply.text))
