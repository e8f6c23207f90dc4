"""The contract of MLLM clients."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from tbpsbench import registry
from tbpsbench.mllm.base import Capabilities, MLLMClient
from tbpsbench.mllm.errors import ItemError, StopRun
from tbpsbench.mllm.messages import Message, Picture, Reply, Request
from tbpsbench.mllm.meter import Budget, Meter
from tbpsbench.testing.toy import Component

AT_ONCE = 8


def toy_picture(shade: int = 200) -> Picture:
    """A picture of 224 x 224 pixels in one colour."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.new("RGB", (224, 224), (shade, 60, 60)).save(buffer, "PNG")
    return Picture(buffer.getvalue())


def toy_requests() -> list[Request]:
    """A picture with a question, and a conversation about it."""
    ask = Message("user", "What does the person wear?", (toy_picture(),))
    talk = (
        Message("system", "Answer briefly."),
        ask,
        Message("assistant", "A red coat."),
        Message("user", "And below?"),
    )
    return [Request((ask,), 16, 0.0, prompt="toy@1"), Request(talk, 16, 0.0, prompt="toy@1")]


def check_mllm_client(config: Component, requests: Sequence[Request] = ()) -> list[Reply]:
    """A client answers several at once, keeps to the meter's budget, and stops a run for good.

    Args:
        config: the component.
        requests: that it can answer; toy ones if there are none.

    Returns:
        the replies.
    """
    return asyncio.run(_check(config, list(requests) or toy_requests()))


async def _check(config: Component, requests: list[Request]) -> list[Reply]:
    async with _built(config) as client:
        named = isinstance(client.name, str) and client.name.strip()
        assert named, f"name is {client.name!r}, expected the model's: it is part of the cache key"
        found = await client.probe()
        assert isinstance(found, Capabilities), f"probe gave {found!r}, expected Capabilities"
        _require_plain(client.describe(), "describe")
        tried = client.meter.calls
        replies = await asyncio.gather(*(client.ask(request) for request in requests * AT_ONCE))
        for reply in replies:
            _check_reply(reply)
        sent = client.meter.calls - tried
        assert sent >= len(replies), (
            f"the meter counted {sent} calls for {len(replies)} replies, expected one each at least: "
            "ask within `async with self.meter.call(request, self.price) as call` and say call.answered(...)"
        )
        assert client.meter.calls - client.meter.failed >= len(replies), (
            "the meter counts calls that were answered as failed, expected call.answered(...) after each reply"
        )
        await client.close()
        await client.close()  # twice does no harm
    await _check_budget(config, requests[0])
    await _check_bad_picture(config, requests[0])
    return list(replies)


def _check_reply(reply: Reply) -> None:
    assert isinstance(reply, Reply), f"ask gave {type(reply).__name__}, expected a Reply"
    assert reply.text.strip(), "the text of a reply is empty, expected an ItemError for a model that says nothing"
    assert reply.model, "a reply does not say whose it is, expected the model's name"
    counts = (reply.prompt_tokens, reply.completion_tokens, reply.calls)
    assert all(isinstance(n, int) and n >= 0 for n in counts), f"tokens and calls are {counts}, expected counts"
    _require_plain(reply.plain(), "a reply")


async def _check_budget(config: Component, request: Request) -> None:
    """With a budget of one call the second one is not made."""
    async with _built(config) as client:
        client.meter = Meter(Budget(calls=1))
        await client.ask(request)
        try:
            await client.ask(replace(request, attempt=1))
        except StopRun:
            pass
        else:
            raise AssertionError(
                "a second call was made with Meter(Budget(calls=1)), expected StopRun: ask self.meter before every call"
            )
        assert client.meter.calls == 1, f"{client.meter.calls} calls were counted, expected the one of the budget"


async def _check_bad_picture(config: Component, request: Request) -> None:
    """A damaged picture is the failure of one request."""
    bad = replace(request, messages=(Message("user", "What is this?", (Picture(b"no image"),)),))
    async with _built(config) as client:
        try:
            await client.ask(bad)
        except (ItemError, StopRun):  # a recording knows no such request
            pass
        except Exception as error:
            raise AssertionError(
                f"for a damaged picture it raised {type(error).__name__}: {error}; expected an ItemError, so that the "
                "run goes on"
            ) from error


def _built(config: Component) -> MLLMClient:
    client: MLLMClient = registry.MLLM_CLIENTS.build(config, "mllm")
    assert hasattr(client, "meter"), "the client has no meter, expected super().__init__() in its constructor"
    return client


def _require_plain(value: Any, what: str) -> None:
    try:
        json.dumps(value)
    except (TypeError, ValueError) as error:
        raise AssertionError(f"{what} gave {value!r:.200}, expected plain data for a manifest ({error})") from error
