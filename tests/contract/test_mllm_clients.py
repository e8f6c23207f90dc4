"""The built-in MLLM clients keep the promises of their slot; clients that break one are caught."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest
import tiny_qwen
from chat_server import ChatServer

from tbpsbench import testing
from tbpsbench.builtins import BUILTINS
from tbpsbench.mllm.base import MLLMClient
from tbpsbench.mllm.messages import Message, Reply, Request
from tbpsbench.mllm.pictures import enlarged, read_picture
from tbpsbench.mllm.recording import Recorded
from tbpsbench.registry import MLLM_CLIENTS


def test_every_built_in_client_is_tested_here():
    tested = {name.removeprefix("test_") for name in globals() if name.startswith("test_")}
    assert {name.lower() for name in BUILTINS["MLLM_CLIENTS"]} <= tested


def test_openaicompatible():
    pytest.importorskip("openai")
    with ChatServer() as server:
        testing.check_mllm_client({"type": "OpenAICompatible", "model": "m", "base_urls": [server.url]})


def test_localtransformers(tmp_path):
    folder = tiny_qwen.make(tmp_path / "tiny")
    testing.check_mllm_client({"type": "LocalTransformers", "model": str(folder), "device": "cpu"})


def test_simulated(mini):
    human = next(Path(mini).glob("*/human.jsonl"))
    image = read_picture(sorted((human.parent / "images").iterdir())[0])
    requests = [Request((Message("user", "?", (image,)),), 50, 0.0, task=task) for task in ("caption", "answer")]
    testing.check_mllm_client({"type": "Simulated", "annotations": str(human)}, requests)


class Sound(MLLMClient):
    """Keeps every promise."""

    name = "sound"

    async def ask(self, request):
        for picture in request.pictures:
            enlarged(picture)
        async with self.meter.call(request) as call:
            await asyncio.sleep(0)
            call.answered(10, 2)
        return Reply("A red coat.", self.name)


def test_replay(tmp_path):
    async def record():
        async with Recorded(Sound(), tmp_path / "session.jsonl") as client:
            for request in testing.toy_requests():
                await client.ask(request)
            await client.ask(replace(testing.toy_requests()[0], attempt=1))

    asyncio.run(record())
    testing.check_mllm_client({"type": "Replay", "path": str(tmp_path / "session.jsonl")})


def test_sound_client_passes(register):
    assert len(testing.check_mllm_client(register(MLLM_CLIENTS, Sound))) == 16


async def unmetered(self, request):
    for picture in request.pictures:
        enlarged(picture)
    return Reply("A red coat.", "sound")


async def unanswered(self, request):
    async with self.meter.call(request):
        return Reply("A red coat.", "sound")


async def silent(self, request):
    async with self.meter.call(request) as call:
        call.answered(1, 1)
        return Reply(" ", "sound")


async def worded(self, request):
    return "A red coat."


async def trips(self, request):
    reply = await unbroken(self, request)
    if request.pictures[0].data == b"no image":
        raise ValueError("no image")
    return reply


async def unbroken(self, request):
    async with self.meter.call(request) as call:
        call.answered(1, 1)
        return Reply("A red coat.", "sound")


def without_meter(self):
    pass


async def no_capabilities(self):
    return {"images": True}


@pytest.mark.parametrize(
    ("attributes", "message"),
    [
        ({"ask": unmetered}, "the meter counted 0 calls for 16 replies, expected one each at least"),
        ({"ask": unanswered}, "counts calls that were answered as failed"),
        ({"ask": silent}, "the text of a reply is empty, expected an ItemError"),
        ({"ask": worded}, "ask gave str, expected a Reply"),
        ({"ask": trips}, "for a damaged picture it raised ValueError.*expected an ItemError"),
        ({"name": ""}, "name is '', expected the model's"),
        ({"__init__": without_meter}, r"has no meter, expected super\(\).__init__\(\)"),
        ({"probe": no_capabilities}, "probe gave .*, expected Capabilities"),
        ({"describe": lambda self: {"model": object()}}, "describe gave .*, expected plain data"),
    ],
)
def test_broken_client_is_caught(register, attributes, message):
    with pytest.raises(AssertionError, match=message):
        testing.check_mllm_client(register(MLLM_CLIENTS, type("Toy", (Sound,), attributes)))
