"""A real Qwen2-VL of random weights: in this process, and behind `transformers serve` on the loopback."""

import asyncio
import json
import re

import pytest
import tiny_qwen
from chat_faults import Act
from chat_server import ChatServer, digest
from served_qwen import forwarded, serving

from tbpsbench.mllm.errors import ItemError, StopRun
from tbpsbench.mllm.local import LocalTransformers
from tbpsbench.mllm.messages import Message, Picture, Request
from tbpsbench.mllm.pictures import enlarged


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """The folder of a tiny Qwen2-VL."""
    return tiny_qwen.make(tmp_path_factory.mktemp("models") / "tiny-qwen2vl")


def local(tiny, *requests, **options):
    async def main():
        async with LocalTransformers(str(tiny), device="cpu", **options) as client:
            return await asyncio.gather(*map(client.ask, requests), return_exceptions=True), client

    return asyncio.run(main())


def test_batch_says_what_each_request_alone_says(tiny, ask, picture):
    requests = [
        ask("Describe the person.", (picture(250, (128, 392)),), max_tokens=8),
        ask("Shoes?", (picture(10), picture(80)), max_tokens=8),
        ask("Say hello.", (), max_tokens=8),
        ask("What is the person wearing?", (picture(90, (64, 128)),), max_tokens=8),
    ]
    together, client = local(tiny, *requests, batch_size=4)
    alone, _ = local(tiny, *requests, batch_size=1)
    assert [reply.text for reply in together] == [reply.text for reply in alone]
    assert [reply.prompt_tokens for reply in together] == [reply.prompt_tokens for reply in alone]
    assert client.meter.calls == 4


def test_replies_depend_on_the_picture_and_are_counted(tiny, ask, picture):
    (red, dark, wide), _ = local(
        tiny, ask(shown=(picture(255),)), ask(shown=(picture(0),)), ask(shown=(picture(255, (448, 448)),))
    )
    assert red.text != dark.text
    assert wide.prompt_tokens - red.prompt_tokens == 256 - 64  # a token for 28 x 28 pixels
    assert red.completion_tokens == 20
    assert red.finish_reason == "length"


def test_small_picture_becomes_enough_tokens(tiny, ask, picture):
    (small, none), _ = local(tiny, ask(shown=(picture(9, (64, 128)),), max_tokens=2), ask(shown=(), max_tokens=2))
    assert small.prompt_tokens - none.prompt_tokens >= 52


def test_damaged_picture_fails_alone(tiny, ask):
    (good, bad), _ = local(tiny, ask(max_tokens=2), ask(shown=(Picture(b"no image"),), max_tokens=2))
    assert good.text
    assert isinstance(bad, ItemError)
    assert bad.reason == "bad-image"


def test_name_tells_folders_with_other_weights_apart(tiny, tmp_path):
    other = tiny_qwen.make(tmp_path / "tiny-qwen2vl", seed=1)
    names = {LocalTransformers(str(folder)).name for folder in (tiny, other)}
    assert len(names) == 2
    assert all(name.startswith("tiny-qwen2vl@") for name in names)


def test_model_that_is_not_there(tmp_path):
    with pytest.raises(StopRun, match=r"cannot be loaded.*Check model"):
        asyncio.run(LocalTransformers(str(tmp_path)).probe())


# -- behind a server --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def served(tiny, tmp_path_factory):
    """Port of `transformers serve` with the tiny model."""
    with serving(tiny, tmp_path_factory.mktemp("hub")) as port:
        yield port


@pytest.mark.slow
def test_real_server_sees_pictures_and_prompts(tiny, served, ask, picture):
    """A proxy writes down what goes to the server and what it counts; replies are those of the same model here."""
    from tbpsbench.mllm.openai_compatible import OpenAICompatible

    counted = []

    async def forward(seen):
        status, body = await asyncio.to_thread(forwarded, served, "POST", seen.path, json.dumps(seen.body))
        counted.append(json.loads(body).get("usage") if status == 200 else None)
        return Act(status, {"content-type": "application/json"}, body)

    pictures = [picture(shade, (128, 392)) for shade in range(0, 250, 25)] + [picture(7, (64, 128))]
    requests = [ask(f"What is number {n} wearing?", (p,), max_tokens=8) for n, p in enumerate(pictures)]

    async def main():
        with ChatServer(forward) as proxy:
            async with OpenAICompatible(str(tiny), [proxy.url], longer=1, max_in_flight=4) as client:
                found = await client.probe()
                tried = len(proxy.seen)
                replies = [await client.ask(request) for request in requests]
                usage = [one for one in counted if one][-len(replies) :]
                bad = await asyncio.gather(client.ask(_broken()), return_exceptions=True)
                return found, replies, usage, proxy.seen[tried:], bad[0]

    found, replies, usage, seen, bad = asyncio.run(main())
    assert (found.images, found.schema, found.image_uuid, found.thinking) == (True, False, False, "none")
    for number, request in enumerate(requests):
        assert digest(seen[number].pictures[0]) == enlarged(request.pictures[0]).sha256
        assert seen[number].text == request.messages[0].text
    said, _ = local(tiny, *requests, batch_size=4)
    # The server leaves some special tokens in its text, which random weights say as readily as others.
    assert [re.sub(r"<\|\w+\|>", "", reply.text) for reply in replies] == [reply.text for reply in said]
    assert [reply.prompt_tokens for reply in replies] == [reply.prompt_tokens for reply in said]
    assert [one["prompt_tokens"] for one in usage] == [reply.prompt_tokens for reply in replies]
    assert isinstance(bad, ItemError)


def _broken():
    """A picture whose head is sound and whose pixels are not: the server fails on it the same way every time."""
    import io

    from PIL import Image

    buffer = io.BytesIO()
    Image.new("RGB", (300, 300), (9, 9, 9)).save(buffer, "PNG")
    return Request((Message("user", "?", (Picture(buffer.getvalue()[:120]),)),), 8, 0.0)
