"""A real Qwen2-VL of random weights: in this process, and behind `transformers serve` on the loopback."""

import asyncio
import json
import re
import shutil
import sys
import weakref

import pytest
import tiny_qwen
import torch
from chat_faults import Act
from chat_server import ChatServer, digest
from served_qwen import forwarded, serving

from tbpsbench.mllm.errors import ItemError, StopRun
from tbpsbench.mllm.local import LocalTransformers
from tbpsbench.mllm.messages import Message, Picture, Reply, Request
from tbpsbench.mllm.pictures import MIN_PIXELS, enlarged


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


@pytest.mark.parametrize("place", [100, 3 << 20])
def test_name_tells_folders_apart_wherever_their_weights_differ(tmp_path, place):
    names = []
    for byte in (b"\0", b"\1"):
        folder = tmp_path / byte.hex() / "merged"
        folder.mkdir(parents=True)
        (folder / "config.json").write_text("{}")
        weights = bytearray(4 << 20)
        weights[place : place + 1] = byte
        (folder / "model.safetensors").write_bytes(weights)
        names.append(LocalTransformers(str(folder)).name)
    assert len({*names}) == 2


def test_name_changes_with_the_weights_in_one_process(tmp_path):
    names = []
    for text in ("one", "another"):
        (tmp_path / "model.safetensors").write_text(text)
        names.append(LocalTransformers(str(tmp_path)).name)
    assert len({*names}) == 2


def test_name_tells_apart_what_the_model_sees_and_how_it_reckons(tiny):
    for model in (str(tiny), "Qwen/Qwen2-VL-2B-Instruct"):
        plain = LocalTransformers(model).name
        options = ({"min_pixels": 1000}, {"dtype": "bfloat16"}, {"min_pixels": 1000, "dtype": "bfloat16"})
        names = [LocalTransformers(model, **option).name for option in options]
        assert len({plain, *names}) == 4
        assert all(name.startswith(plain) for name in names)
        assert LocalTransformers(model, dtype="auto", min_pixels=MIN_PIXELS).name == plain


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"dtype": "float99"}, "dtype is 'float99', expected 'auto' or a type of torch such as 'bfloat16'"),
        ({"dtype": "int8"}, "dtype is 'int8'"),
        ({"dtype": "nn"}, "dtype is 'nn'"),
        ({"min_pixels": -5}, "min_pixels is -5, expected 0 or more"),
        ({"batch_size": 0}, "batch_size is 0, expected 1 or more"),
    ],
)
def test_unsound_arguments(options, message):
    with pytest.raises(ValueError, match=message):
        LocalTransformers("m", **options)


class Narrow(LocalTransformers):
    """A device that holds one request at a time; notes which tensors of failed batches are still there."""

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        self.failed, self.held, self.sizes = [], [], []

    def _generate(self, requests):
        self.sizes.append(len(requests))
        self.held.append(sum(one() is not None for one in self.failed))
        if len(requests) > 1:
            tensor = torch.zeros(100)
            self.failed.append(weakref.ref(tensor))
            raise torch.OutOfMemoryError("CUDA out of memory")
        return [Reply("A coat.", self.name)]


def test_memory_of_a_batch_that_failed_is_free_before_its_halves_are_tried(ask, monkeypatch):
    emptied = []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: emptied.append(len(client.sizes)))
    client = Narrow("m", batch_size=4)

    async def main():
        return await asyncio.gather(*(client.ask(ask(str(number))) for number in range(4)))

    assert [reply.text for reply in asyncio.run(main())] == ["A coat."] * 4
    assert (client.sizes, client.batch_size) == ([4, 2, 1, 1, 2, 1, 1], 1)
    assert client.held == [0] * 7
    assert emptied == [1, 2, 5]


def test_silence_is_paid_for(tiny, ask, monkeypatch):
    monkeypatch.setattr("tbpsbench.mllm.local._ends", lambda model: {*range(1000)})
    (failed,), client = local(tiny, ask(max_tokens=4))
    assert failed.reason == "bad-reply"
    assert failed.used == (client.meter.prompt_tokens, 1)
    assert failed.used[0] > 52


def test_damaged_weights_stop_the_run(tiny, tmp_path):
    folder = shutil.copytree(tiny, tmp_path / "torn")
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:2000])
    with pytest.raises(StopRun, match=r"cannot be loaded.*Check model"):
        asyncio.run(LocalTransformers(str(folder), device="cpu").probe())


def test_model_without_a_chat_template_stops_the_run(tiny, tmp_path):
    folder = shutil.copytree(tiny, tmp_path / "base")
    (folder / "chat_template.jinja").unlink()
    with pytest.raises(StopRun, match=r"cannot be talked to.*Instruct"):
        asyncio.run(LocalTransformers(str(folder), device="cpu").probe())


def test_missing_package_stops_the_run(monkeypatch):
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(StopRun, match=r"needs the package transformers.*pip install"):
        asyncio.run(LocalTransformers("m").probe())


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
