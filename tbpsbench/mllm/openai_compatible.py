"""Any server that speaks the chat-completions API: vLLM, SGLang, transformers serve, Ollama, OpenAI; one or several.

Every call that fails is classified (verdicts.py) and tried again, given up or made to stop the run. How many calls each
server gets at a time settles by itself (limiter.py).
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

from tbpsbench.mllm.arguments import require_json, require_numbers, require_urls
from tbpsbench.mllm.base import Capabilities, MLLMClient
from tbpsbench.mllm.errors import ItemError, StopRun
from tbpsbench.mllm.limiter import Limiter
from tbpsbench.mllm.messages import Message, Picture, Reply, Request
from tbpsbench.mllm.meter import Taken, estimate
from tbpsbench.mllm.pictures import MIN_PIXELS, enlarged
from tbpsbench.mllm.prices import given_price, known_price
from tbpsbench.mllm.probing import probe
from tbpsbench.mllm.rates import Rates
from tbpsbench.mllm.retries import SAME, Retries
from tbpsbench.mllm.server import Server
from tbpsbench.mllm.verdicts import Again, Said, may_lack_pictures
from tbpsbench.mllm.wire import NO_THINKING, body_of
from tbpsbench.registry import MLLM_CLIENTS

AWAY_SECONDS = 60.0  # that a server which answers nothing is left alone while others answer


@MLLM_CLIENTS.register()
class OpenAICompatible(MLLMClient):
    """A model behind one or several servers.

    Args:
        model: its name there, as /v1/models lists it.
        base_urls: where the servers are; usually ending in /v1, and without a password.
        api_key_env: environment variable that holds the API key; a server of one's own needs none.
        max_in_flight: calls under way at a time and server, at most; how many it takes is found out.
        requests_per_minute, tokens_per_minute: limits of the account, per server; None for none.
        deadline: seconds for one call, from sending to the last byte.
        attempts: calls for one request that may fail before it is given up; refusals of a busy server do not count.
        longer: a reply that was cut off, or whose thoughts left no room for it, is asked for once more with so many
            times `max_tokens`; 1 for never. Where that fails for good, the cut reply is kept.
        max_wait: seconds to wait, at most, where a server asks for it; the run stops if it asks for more.
        give_up_after: calls that fail in a row before a server counts as gone, if that lasts `patience` seconds.
        patience: see there.
        min_pixels: smaller pictures are enlarged to so many.
        route: "image" sends all requests about one image to one server, "load" each to the one with least to do, "auto"
            the first where the server keeps images.
        price: dict(input=..., output=...), US dollars per million tokens; None to look it up (prices.py).
        extra: further keys of every request body, e.g. dict(top_p=0.9); a hash of them ends the client's name.
        length_key: what the server calls the longest reply; "max_completion_tokens" for OpenAI's newest.

    Raises:
        ValueError: for arguments out of range.
        ConfigError: if the package openai is missing, or an address or API key cannot be used.
    """

    def __init__(
        self,
        model: str,
        base_urls: Sequence[str] = ("http://127.0.0.1:8000/v1",),
        *,
        api_key_env: str = "OPENAI_API_KEY",
        max_in_flight: int = 64,
        requests_per_minute: int | None = None,
        tokens_per_minute: int | None = None,
        deadline: float = 120.0,
        attempts: int = 6,
        longer: float = 2.0,
        max_wait: float = 120.0,
        give_up_after: int = 16,
        patience: float = 10.0,
        min_pixels: int = MIN_PIXELS,
        route: Literal["auto", "image", "load"] = "auto",
        price: Mapping[str, float] | None = None,
        extra: Mapping[str, Any] | None = None,
        length_key: Literal["max_tokens", "max_completion_tokens"] = "max_tokens",
    ) -> None:
        super().__init__()
        base_urls = [base_urls] if isinstance(base_urls, str) else list(base_urls)
        require_urls(base_urls)
        require_numbers(1, whole=True, max_in_flight=max_in_flight, attempts=attempts, give_up_after=give_up_after)
        require_numbers(0, max_wait=max_wait, patience=patience, min_pixels=min_pixels)
        require_numbers(1, longer=longer)
        require_numbers(0, above=True, deadline=deadline)
        require_json("extra", extra or {})
        self.model, self.name = model, _name_of(model, min_pixels, extra)
        self.longer, self.max_wait, self.min_pixels, self.route = longer, max_wait, min_pixels, route
        self.price = given_price(price) if price is not None else known_price(model, base_urls[0])
        self.extra, self.length_key = dict(extra or {}), length_key
        self._retries = Retries(attempts, max_wait)
        self._stopped: StopRun | None = None
        self.servers = [
            Server(
                url, api_key_env, deadline, give_up_after, patience,
                Limiter(max_in_flight, longest=deadline / 4), Rates(requests_per_minute, tokens_per_minute),
            )
            for url in base_urls
        ]  # fmt: skip

    async def ask(self, request: Request) -> Reply:
        """Ask, again where that helps; a reply that was cut off is asked for once more with room for more."""
        if self._stopped is not None:
            raise self._stopped
        taken = Taken()
        try:
            return replace(await self._whole(request, taken), **vars(taken))
        except ItemError as error:
            error.calls, error.used = taken.calls, taken.used
            raise
        except StopRun as error:
            self._stop(error)
            raise

    def room(self, request: Request) -> int:
        return max(request.max_tokens, int(request.max_tokens * self.longer))

    async def probe(self) -> Capabilities:
        """Try every server with a few small requests; what they can all do is used."""
        try:
            for server in self.servers:
                await probe(server, self._body, self.meter, self.price, self.extra)
        except StopRun as error:
            self._stop(error)
            raise
        found = [server.capabilities for server in self.servers]
        different = len({replace(one, notes=()) for one in found}) > 1
        return Capabilities(
            images=all(one.images for one in found),
            schema=all(one.schema for one in found),
            image_uuid=all(one.image_uuid for one in found),
            thinking=max((one.thinking for one in found), key=("none", "off", "on").index),
            notes=(*found[0].notes, *(["the servers differ"] if different else [])),
        )

    def describe(self) -> dict[str, Any]:
        """The model, the servers with what they were found to do, and how they are asked."""
        servers = {server.name: server.capabilities.plain() for server in self.servers}
        options = {"min_pixels": self.min_pixels, "extra": self.extra, "route": self.route}
        return super().describe() | {"servers": servers} | options

    def in_flight(self) -> dict[str, int]:
        """How many calls at a time each server gets now."""
        return {server.name: int(server.limiter.limit) for server in self.servers}

    async def close(self) -> None:
        """Close all connections."""
        for server in self.servers:
            await server.close()

    # -- one request ----------------------------------------------------------------------------------------------

    async def _sent(self, request: Request) -> dict[str, Picture]:
        """The form in which each picture is sent, by its hash; made in a thread, as it takes milliseconds."""
        return {
            picture.sha256: await asyncio.to_thread(enlarged, picture, self.min_pixels) for picture in request.pictures
        }

    async def _whole(self, request: Request, taken: Taken) -> Reply:
        """A reply that was not cut off, where a second try brings one."""
        sent, room, cut = await self._sent(request), self.room(request), None
        try:
            cut = await self._answer(request, sent, taken)
            if cut.finish_reason != "length" or room == request.max_tokens:
                return cut
        except ItemError as error:
            if error.reason != "no-answer" or room == request.max_tokens:
                raise
        try:
            return await self._answer(replace(request, max_tokens=room), sent, taken)
        except ItemError as error:
            if cut is None or error.retry_later:  # another run may get the whole of it
                raise
            return cut

    async def _answer(self, request: Request, sent: Mapping[str, Picture], taken: Taken) -> Reply:
        same, alive, avoid = Counter[str](), False, None
        async for attempt in self._retries.tries():
            with attempt:  # keeps the error to itself; the loop tries again or raises it
                server = self._choose(request, avoid)
                try:
                    said, seconds = await self._send(server, request, sent, taken)
                except (Again, ItemError) as error:
                    named = self._named(server, request, sent)
                    if not named or not may_lack_pictures(error):
                        if isinstance(error, Again) and error.same:
                            same[error.same] += 1
                            if same[error.same] >= SAME:
                                before, alive = alive, await self._answers_at_all(server)
                                # It lies in the request if it came after others were answered, and they still are.
                                error.same = error.same if before and alive else ""
                        avoid = server if isinstance(error, Again) and not error.refused else None
                        self._look_after(server, error)
                        raise
                    server.forget(*named)  # it may have thrown them away: they are sent again
                    said, seconds = await self._send(server, request, sent, taken)
                model = said.model or self.model
                return Reply(said.text, model, said.finish_reason, seconds=seconds, server=server.name)
        raise AssertionError("tries end with a reply or an error")

    async def _send(
        self, server: Server, request: Request, sent: Mapping[str, Picture], taken: Taken
    ) -> tuple[Said, float]:
        """One call."""
        able = server.capabilities
        extra = self.extra | (NO_THINKING if able.thinking == "off" else {})
        taken.calls += 1
        try:
            async with self.meter.call(request, self.price) as call:
                said, seconds = await server.send(self._body(request, sent, server), extra, sum(estimate(request)))
                call.answered(said.prompt_tokens, said.completion_tokens)
        except (Again, ItemError) as error:
            taken.add(error.used)  # what brings no reply may be paid for
            raise
        taken.add((said.prompt_tokens, said.completion_tokens))
        if able.image_uuid:
            server.keep(*(sent[picture.sha256].sha256 for picture in request.pictures))
        if able.thinking == "on" and "</think>" in said.text:
            said = replace(said, text=said.text.rpartition("</think>")[2].strip() or said.text)
        return said, seconds

    async def _answers_at_all(self, server: Server) -> bool:
        """Whether a server that fails answers the simplest question; a proxy may speak for one that is not there."""
        try:
            hello = Request((Message("user", "Say hello."),), max_tokens=64, temperature=0.0)
            await self._send(server, hello, {}, Taken())
        except (Again, ItemError) as error:
            return isinstance(error, ItemError)  # which is an answer, too
        return True

    def _named(self, server: Server, request: Request, sent: Mapping[str, Picture]) -> list[str]:
        """Hashes of the request's pictures that the server should have."""
        hashes = [sent[picture.sha256].sha256 for picture in request.pictures]
        return [sha256 for sha256 in hashes if server.capabilities.image_uuid and sha256 in server.kept]

    def _body(self, request: Request, sent: Mapping[str, Picture], server: Server) -> dict[str, Any]:
        able = server.capabilities
        return body_of(
            request, self.model, sent, uuid=able.image_uuid, kept=server.kept, schema=able.schema,
            length_key=self.length_key,
        )  # fmt: skip

    # -- which server ---------------------------------------------------------------------------------------------

    def _choose(self, request: Request, avoid: Server | None) -> Server:
        """The server for a request: by its first picture's hash, so that few move when one is gone, or by load."""
        if self._stopped is not None:
            raise self._stopped
        there = [server for server in self.servers if server.available]
        there = [server for server in there if server is not avoid] or there
        if not there:
            raise next((server.gone for server in self.servers if server.gone), None) or StopRun(
                "No server may be asked now", "Start again later: the run goes on where it stopped."
            )
        keeps = all(server.capabilities.image_uuid for server in there)
        if request.pictures and (self.route == "image" or (self.route == "auto" and keeps)):
            sha256 = request.pictures[0].sha256
            return max(there, key=lambda server: hashlib.sha256(f"{sha256} {server.url}".encode()).digest())
        return min(there, key=lambda server: server.limiter.load)

    def _look_after(self, server: Server, error: Again | ItemError) -> None:
        """Leave a server alone that is gone or asks for a long rest; without another one the run stops."""
        wait = error.after or 0.0 if isinstance(error, Again) else 0.0
        if server.gone is None and wait <= self.max_wait:
            return
        stop = server.gone or StopRun(
            f"{server.name} asks to wait {wait:.0f} s, more than max_wait = {self.max_wait:g} s ({error})",
            "Start again later: the run goes on where it stopped. Or raise max_wait.",
        )
        if not any(other.available for other in self.servers if other is not server):
            raise stop
        server.away(max(wait, AWAY_SECONDS))
        if isinstance(error, Again):
            error.after = None  # another server need not be waited for

    def _stop(self, error: StopRun) -> None:
        """Let nobody ask any more, those who wait for their turn included; what is under way is still answered."""
        if self._stopped is None:
            self._stopped = error
            for server in self.servers:
                server.limiter.stop(error)


def _name_of(model: str, min_pixels: int, extra: Mapping[str, Any] | None) -> str:
    """Tells apart all whose replies may differ: by the size of the pictures and by what goes into every body."""
    name = model if min_pixels == MIN_PIXELS else f"{model}@{min_pixels}px"
    if not extra:
        return name
    return f"{name}+{hashlib.sha256(json.dumps(dict(extra), sort_keys=True).encode()).hexdigest()[:8]}"
