"""What a server can do, tried once at start: pictures, thinking, schemas, pictures by their hash."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from tbpsbench.mllm.errors import ItemError, StopRun
from tbpsbench.mllm.messages import Message, Picture, Request
from tbpsbench.mllm.meter import Meter, Price
from tbpsbench.mllm.server import UNANSWERED, UNREACHABLE, Server
from tbpsbench.mllm.verdicts import Again, Said
from tbpsbench.mllm.wire import NO_THINKING

TRIES = 3
PAUSE_SECONDS = 0.5
LONGEST_WAIT = 30.0
WORD = "heliotrope-7"  # which no model says by chance
SCHEMA: Mapping[str, Any] = {
    "type": "object",
    "properties": {"word": {"type": "string", "enum": [WORD]}},
    "required": ["word"],
    "additionalProperties": False,
}
Body = Callable[[Request, Mapping[str, Picture], Server], dict[str, Any]]


@lru_cache(maxsize=1)
def trial_picture() -> Picture:
    """A picture of 224 x 224 pixels, red above and blue below."""
    from PIL import Image

    image = Image.new("RGB", (224, 224), (200, 30, 30))
    image.paste((30, 30, 200), (0, 112, 224, 224))
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return Picture(buffer.getvalue())


@dataclass
class _Probe:
    """One server under test.

    Attributes:
        extra: keys of every body: those that the client was given, and what is tried.
    """

    server: Server
    body: Body
    meter: Meter
    price: Price | None
    extra: Mapping[str, Any]

    async def ask(self, request: Request) -> Said:
        """One reply; tried a few times. Raises the last Again or ItemError."""
        sent = {picture.sha256: picture for picture in request.pictures}
        for left in reversed(range(TRIES)):
            try:
                async with self.meter.call(request, self.price) as call:
                    body = self.body(request, sent, self.server)
                    del body["temperature"]  # the newest models take none but their own
                    said, _ = await self.server.send(body, dict(self.extra))
                    call.answered(said.prompt_tokens, said.completion_tokens)
                return said
            except Again as error:
                if not left or error.reason == UNANSWERED:
                    raise
                await asyncio.sleep(min(error.after or PAUSE_SECONDS, LONGEST_WAIT))
        raise AssertionError("the last try returns or raises")


async def probe(server: Server, body: Body, meter: Meter, price: Price | None, extra: Mapping[str, Any]) -> None:
    """Find out what a server can do and write it into `server.capabilities`.

    Args:
        server: to be tried.
        body: makes the body of a request.
        meter, price: the few calls are paid for, too.
        extra: keys that the client adds to every body.

    Raises:
        StopRun: if it does not answer the simplest question.
    """
    able = replace(server.capabilities, images=True, schema=False, image_uuid=False, thinking="none", notes=())
    server.capabilities = able
    trial = _Probe(server, body, meter, price, extra)
    question = _request("What is in this picture? Answer in a few words.", trial_picture())
    images, notes = True, []
    try:
        thinks = await _thinks(trial, question)
    except (Again, ItemError) as error:
        _raise_unreachable(server, error)
        plain = replace(question, messages=(Message("user", "Say hello."),))
        try:
            thinks = await _thinks(trial, plain)
        except (Again, ItemError) as worse:
            _raise_unreachable(server, worse)
            raise StopRun(
                f"{server.name} does not answer the simplest question ({worse})",
                "Try it with curl; check the model's name and what the server's log says.",
            ) from worse
        images, question = False, plain
        notes.append(f"no pictures: {error}")
    thinking = "none"
    if thinks:
        trial.extra = {**extra, **NO_THINKING}
        try:
            thinking = "on" if await _thinks(trial, question) else "off"
        except (Again, ItemError) as error:
            thinking = "on"
            notes.append(f"cannot be told not to think: {error}")
        trial.extra = {**extra, **NO_THINKING} if thinking == "off" else extra
    server.capabilities = replace(able, images=images, thinking=thinking, schema=True)
    schema = await _follows_schema(trial)
    server.capabilities = replace(able, images=images, thinking=thinking, image_uuid=images)
    keeps = images and await _keeps_pictures(trial, question)
    server.capabilities = replace(
        able, images=images, thinking=thinking, schema=schema, image_uuid=keeps, notes=tuple(notes)
    )


async def _thinks(trial: _Probe, request: Request) -> bool:
    """Whether the reply comes with a chain of thought."""
    try:
        said = await trial.ask(request)
    except ItemError as error:
        if error.reason == "no-answer":  # nothing but thoughts
            return True
        raise
    return bool(said.thought) or "<think>" in said.text or "</think>" in said.text


async def _follows_schema(trial: _Probe) -> bool:
    try:
        said = await trial.ask(replace(_request("Say hello."), schema=SCHEMA))
        return bool(json.loads(said.text) == {"word": WORD})
    except (Again, ItemError, ValueError):
        return False


async def _keeps_pictures(trial: _Probe, question: Request) -> bool:
    """Whether a picture that is only named by its hash is seen: the prompt is as long as with the picture itself.

    And longer than without one; some gateways count the text alone.
    """
    sha256 = trial_picture().sha256
    trial.server.forget(sha256)
    try:
        whole = await trial.ask(question)
        trial.server.keep(sha256)
        named = await trial.ask(question)
        bare = await trial.ask(_request(question.messages[0].text))
    except (Again, ItemError):
        return False
    finally:
        trial.server.forget(sha256)
    return whole.prompt_tokens == named.prompt_tokens > bare.prompt_tokens


def _request(text: str, *pictures: Picture) -> Request:
    return Request((Message("user", text, pictures),), max_tokens=64, temperature=0.0, prompt="probe")


def _raise_unreachable(server: Server, error: Again | ItemError) -> None:
    if isinstance(error, Again) and error.reason in (UNANSWERED, "connection", "late"):
        raise StopRun(f"{server.name} cannot be reached ({error.detail})", UNREACHABLE) from error
