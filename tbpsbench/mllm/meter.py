"""What a run has cost so far, and the budget that it must not pass: calls, tokens, money."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from tbpsbench.errors import ConfigError
from tbpsbench.mllm.arguments import require_numbers
from tbpsbench.mllm.errors import StopRun
from tbpsbench.mllm.messages import Picture, Request
from tbpsbench.mllm.pictures import pixels

CHARACTERS_PER_TOKEN = 4  # of English, in the tokenizers of the models in question
TOKENS_PER_MESSAGE = 8  # what a chat template adds
# Qwen2-VL, 384 x 128 pixels: 70 tokens; 50,176 pixels, which is the least that is sent: 52 to 72; then one for each
# square of 28 x 28, up to 16,384 of them. Other models cut large pictures smaller: the first replies tell.
LEAST_PER_PICTURE, PIXELS_PER_TOKEN, MOST_PER_PICTURE = 72, 28 * 28, 16_384


@dataclass(frozen=True)
class Price:
    """US dollars per million tokens.

    Attributes:
        input, output: of the prompt and of the reply.

    Raises:
        ValueError: for a price that is no number of 0 or more.
    """

    input: float
    output: float

    def __post_init__(self) -> None:
        given: dict[str, Any] = {"price.input": self.input, "price.output": self.output}
        require_numbers(0, **given)

    def of(self, prompt_tokens: float, completion_tokens: float) -> float:
        """US dollars for so many tokens."""
        return (prompt_tokens * self.input + completion_tokens * self.output) / 1e6


@dataclass(frozen=True)
class Budget:
    """Bounds of a run; None for no bound.

    Attributes:
        calls: requests that are sent, failed ones included.
        tokens: of prompts and replies together.
        usd: US dollars; every client that is asked needs a price then.

    Raises:
        ConfigError: for a bound that is no number of 0 or more.
    """

    calls: int | None = None
    tokens: int | None = None
    usd: float | None = None

    def __post_init__(self) -> None:
        given: dict[str, Any] = {f"budget.{name}": bound for name, bound in vars(self).items() if bound is not None}
        try:
            require_numbers(0, **given)
        except ValueError as error:
            raise ConfigError(f"{error}, or None for no bound") from None


@dataclass(frozen=True)
class Spent:
    """Calls, tokens of prompts and replies, and US dollars."""

    calls: float = 0
    tokens: float = 0
    usd: float = 0.0

    def __add__(self, other: Spent) -> Spent:
        return Spent(self.calls + other.calls, self.tokens + other.tokens, self.usd + other.usd)


@dataclass
class Taken:
    """What one request has taken so far: calls, and tokens of prompts and replies, of failed calls, too."""

    calls: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0

    @property
    def used(self) -> tuple[int, int] | None:
        """The tokens; None where the server has counted none."""
        used = (self.prompt_tokens, self.completion_tokens)
        return used if any(used) else None

    def add(self, used: tuple[int, int] | None) -> None:
        """Count the tokens of a call, where they are known."""
        if used is not None:
            self.prompt_tokens += used[0]
            self.completion_tokens += used[1]


@dataclass
class _Load:
    """Calls, tokens and money; of one call, of all that are under way, or of the whole run."""

    calls: int = 0
    prompt_tokens: float = 0
    completion_tokens: float = 0
    usd: float = 0.0

    def add(self, other: _Load, sign: int = 1) -> None:
        self.calls += sign * other.calls
        self.prompt_tokens += sign * other.prompt_tokens
        self.completion_tokens += sign * other.completion_tokens
        self.usd += sign * other.usd


@dataclass
class Meter:
    """Counts what is asked. A call is let through only if the budget holds even when its reply is as long as it may be.

    Attributes:
        budget: may be set until the first call.
        earlier: what counts against it besides.
        settled: called after each call.
        failed: calls that brought no reply.
        unpriced: calls of clients whose price is unknown; `usd` leaves them out.
    """

    budget: Budget = field(default_factory=Budget)
    failed: int = 0
    unpriced: int = 0
    earlier: Spent = Spent()
    settled: Callable[[], None] | None = None
    _spent: _Load = field(default_factory=_Load)
    _open: _Load = field(default_factory=_Load)
    _ratio: float = 1.0  # largest real prompt over its estimate
    _settled: asyncio.Event | None = None

    @property
    def calls(self) -> int:
        """Requests sent and done with."""
        return self._spent.calls

    @property
    def prompt_tokens(self) -> int:
        """Of all replies so far."""
        return int(self._spent.prompt_tokens)

    @property
    def completion_tokens(self) -> int:
        """Of all replies so far."""
        return int(self._spent.completion_tokens)

    @property
    def usd(self) -> float:
        """Spent so far, in US dollars."""
        return self._spent.usd

    @property
    def spent(self) -> Spent:
        """All of it."""
        return Spent(self.calls, self._spent.prompt_tokens + self._spent.completion_tokens, self.usd)

    def plain(self) -> dict[str, Any]:
        """As plain data, for records and progress."""
        return {
            "calls": self.calls, "failed": self.failed, "prompt_tokens": self.prompt_tokens,
            "completion_tokens": self.completion_tokens, "usd": round(self.usd, 6), "unpriced": self.unpriced,
        }  # fmt: skip

    @asynccontextmanager
    async def call(self, request: Request, price: Price | None = None) -> AsyncIterator[_Call]:
        """One request to a server, from before it is sent until it is answered or has failed.

            async with self.meter.call(request, self.price) as call:
                reply = ...
                call.answered(reply.prompt_tokens, reply.completion_tokens)

        Raises:
            StopRun: before anything is sent, if the budget does not allow it.
        """
        estimated, completion = estimate(request)
        prompt = estimated * self._ratio
        load = _Load(1, prompt, completion, price.of(prompt, completion) if price else 0.0)
        if price is None and self.budget.usd is not None:
            raise StopRun(
                "The budget is in US dollars, and the price of a model is not known",
                "Give its client price=dict(input=..., output=...), in US dollars per million tokens (0 for a server "
                "of your own), or a budget in calls or tokens.",
            )
        await self._admit(load)
        self._open.add(load)
        call = _Call()
        try:
            yield call
        except Exception as error:
            call.used = call.used or getattr(error, "used", None)  # a call that brings no reply may be paid for
            raise
        finally:
            self._open.add(load, -1)
            self._settle(call, estimated, price)

    async def _admit(self, load: _Load) -> None:
        while True:
            if over := self._over(load, _Load()):
                raise StopRun(*over)
            if not self._over(load, self._open):
                return
            # What is under way may turn out cheaper than feared: wait for it.
            if self._settled is None:
                self._settled = asyncio.Event()
            await self._settled.wait()

    def _settle(self, call: _Call, estimated: float, price: Price | None) -> None:
        self._spent.calls += 1
        self.failed += not call.done
        if call.used is not None:
            self._spent.add(_Load(0, *call.used, price.of(*call.used) if price else 0.0))
            self.unpriced += price is None
            self._ratio = max(self._ratio, call.used[0] / max(estimated, 1.0))
        if self._settled is not None:
            self._settled.set()
            self._settled = None
        if self.settled is not None:
            self.settled()

    def _over(self, load: _Load, under_way: _Load) -> tuple[str, str] | None:
        """What would be too much, and what to do, or None."""
        total = _Load()
        for part in (self._spent, under_way, load):
            total.add(part)
        asked = Spent(total.calls, total.prompt_tokens + total.completion_tokens, total.usd) + self.earlier
        so_far = self.spent + self.earlier
        for name, unit in (("calls", ""), ("tokens", ""), ("usd", " US dollars")):
            bound, would, spent = getattr(self.budget, name), getattr(asked, name), round(getattr(so_far, name), 4)
            if bound is not None and would > bound:
                return (
                    f"The budget of {bound:g}{unit or ' ' + name} is used up ({spent:g}{unit or ' ' + name} spent, the "
                    "next call could pass it)",
                    f"What was answered is kept. Raise budget.{name} and start again: the run goes on where it "
                    "stopped.",
                )
        return None


@dataclass
class _Call:
    """What came of a call: tokens of prompt and reply, or None; and whether there was a reply."""

    used: tuple[int, int] | None = None
    done: bool = False

    def answered(self, prompt_tokens: int, completion_tokens: int) -> None:
        """Note the reply; a call that is never answered counts as failed."""
        self.used, self.done = (prompt_tokens, completion_tokens), True


def estimate(request: Request) -> tuple[float, float]:
    """Tokens of the prompt and of the longest reply, before anything is sent."""
    characters = sum(len(message.text) for message in request.messages)
    prompt = (
        characters / CHARACTERS_PER_TOKEN
        + TOKENS_PER_MESSAGE * len(request.messages)
        + sum(map(_tokens, request.pictures))
    )
    return prompt, float(request.max_tokens)


def _tokens(picture: Picture) -> float:
    return min(max(pixels(picture) / PIXELS_PER_TOKEN, LEAST_PER_PICTURE), MOST_PER_PICTURE)
