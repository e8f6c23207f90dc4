"""One server: its connection, how many requests it gets at a time, how fast, and whether it still answers."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Collection
from typing import TYPE_CHECKING, Any

from tbpsbench.errors import ConfigError
from tbpsbench.mllm.arguments import api_key
from tbpsbench.mllm.base import Capabilities
from tbpsbench.mllm.errors import ItemError, StopRun
from tbpsbench.mllm.limiter import Limiter, Outcome
from tbpsbench.mllm.rates import Rates
from tbpsbench.mllm.verdicts import Again, Said, failure, read_reply

if TYPE_CHECKING:
    from openai import AsyncOpenAI

CONNECT_SECONDS = 10.0
UNANSWERED = "no connection"
KEPT_PICTURES = 4096  # remembered as kept by the server; older ones are sent again
UNREACHABLE = (
    "Start the server, or check base_urls, the network and any proxy; then start again: the run goes on where it "
    "stopped."
)


class Server:
    """One base URL.

    Args:
        url: base URL, usually ending in /v1.
        api_key_env: environment variable with the API key; servers of one's own need none.
        deadline: seconds for one call, from sending to the last byte.
        give_up_after: calls that fail in a row, over at least `patience` seconds, before it counts as gone.
        patience: see there.
        limiter: how many requests at a time.
        rates: how many a minute.

    Raises:
        ConfigError: if the package openai is missing, or the API key cannot be sent.
    """

    def __init__(
        self, url: str, api_key_env: str, deadline: float, give_up_after: int, patience: float, limiter: Limiter,
        rates: Rates,
    ) -> None:  # fmt: skip
        self.url, self.limiter, self.rates, self.deadline = url, limiter, rates, deadline
        self.key_from = f"the API key in the environment variable {api_key_env}"
        self.give_up_after, self.patience = give_up_after, patience
        self.capabilities = Capabilities()
        self.gone: StopRun | None = None
        self._away_until = 0.0
        self._failed, self._last_good = 0, time.monotonic()
        self._kept: OrderedDict[str, None] = OrderedDict()
        self._client = _connect(url, api_key(api_key_env), deadline)

    @property
    def name(self) -> str:
        """The URL, in which no password is let through (arguments.py)."""
        return self.url

    @property
    def available(self) -> bool:
        """Whether it may be asked now."""
        return self.gone is None and time.monotonic() >= self._away_until

    @property
    def kept(self) -> Collection[str]:
        """Hashes of the pictures that the server should still have."""
        return self._kept

    def keep(self, *hashes: str) -> None:
        """Note that the server has these pictures."""
        for sha256 in hashes:
            self._kept[sha256] = None
            self._kept.move_to_end(sha256)
        while len(self._kept) > KEPT_PICTURES:
            self._kept.popitem(last=False)

    def forget(self, *hashes: str) -> None:
        """Note that the server no longer has these pictures."""
        for sha256 in hashes:
            self._kept.pop(sha256, None)

    def away(self, seconds: float) -> None:
        """Ask it nothing for a while; other servers are asked instead. One more failure sends it away again."""
        self._away_until, self.gone = time.monotonic() + seconds, None
        self.limiter.stop(Again("connection", f"{self.name} is left alone for a while"))

    async def send(self, body: dict[str, Any], extra: dict[str, Any], tokens: float = 0.0) -> tuple[Said, float]:
        """Send one request when it is its turn.

        Args:
            body: as the API names it.
            extra: further keys that only some servers know.
            tokens: estimate of prompt and reply, for the rate limit.

        Returns:
            the reply and the seconds that it took.

        Raises:
            Again, ItemError, StopRun: see verdicts.py.
        """
        await self.rates.wait(tokens)
        ticket = await self.limiter.acquire()
        outcome: Outcome = "failed"
        used, after = 0, None
        try:
            said = await self._call(body, extra)
            outcome, used = "answered", said.completion_tokens
            self._good()
            return said, self.limiter.now - ticket.sent
        except Again as error:
            outcome, after = (
                ("refused" if error.refused else "late" if error.reason == "late" else "failed"),
                error.after,
            )
            if not error.refused:
                self._bad(error)
            raise
        except ItemError as error:
            self._bad(error)
            raise
        finally:
            self.limiter.release(ticket, outcome, tokens=used, after=after)

    async def _call(self, body: dict[str, Any], extra: dict[str, Any]) -> Said:
        import openai

        try:
            async with asyncio.timeout(self.deadline):
                # The method of the resource looks through every part of a message by its declared type: a third of
                # the time that a call costs here.
                content = openai.HttpxBinaryResponseContent
                answer = (
                    await self._client.post("/chat/completions", body={**body, **extra}, cast_to=content)
                ).response
                text, kind = answer.text, answer.headers.get("content-type", "")
        except (TimeoutError, openai.APITimeoutError) as error:
            if "Connect" in type(error.__cause__).__name__:
                raise Again(UNANSWERED, f"{self.name} did not take the connection") from error
            raise Again("late", f"no whole answer from {self.name} within {self.deadline:g} s", same="late") from error
        except openai.APIStatusError as error:
            answer = error.response
            raise failure(answer.status_code, answer.headers, _text(answer), self.key_from) from error
        except openai.APIConnectionError as error:
            cause = error.__cause__ or error
            # Broken is another thing than never made: at the start a server that is not there is not waited for.
            reason = UNANSWERED if "Connect" in type(cause).__name__ else "connection"
            raise Again(reason, f"{self.name}: {type(cause).__name__}: {cause}") from error
        return read_reply(text, kind, self.key_from)

    def _good(self) -> None:
        self._failed, self._last_good = 0, time.monotonic()

    def _bad(self, error: Again | ItemError) -> None:
        self._failed += 1
        silent = time.monotonic() - self._last_good
        if self._failed >= self.give_up_after and silent >= self.patience and self.gone is None:
            self.gone = StopRun(
                f"{self.name} failed {self._failed} times in a row, for {silent:.0f} s (last: {error})",
                UNREACHABLE if isinstance(error, Again) else "Look at what it refuses: the prompt, the pictures' size "
                "or the model's settings do not suit this server.",
            )  # fmt: skip

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()


def _connect(url: str, key: str, deadline: float) -> AsyncOpenAI:
    try:
        import openai
    except ImportError:
        raise ConfigError(
            "OpenAICompatible needs the packages openai and tenacity: pip install 'tbpsbench[mllm]'"
        ) from None
    timeout = openai.Timeout(deadline, connect=min(CONNECT_SECONDS, deadline))
    return openai.AsyncOpenAI(base_url=url, api_key=key, max_retries=0, timeout=timeout)


def _text(answer: Any) -> str:
    try:
        return str(answer.text)
    except Exception:  # a body that was never read or cannot be decoded; the status says enough
        return ""
