"""MiniPEDES' annotations, a client that answers from them, and runs of a source over a few images."""

import asyncio

import pytest
from fake_mllm import FakeMLLM

from tbpsbench.annotations import read_annotations
from tbpsbench.captions.ask import Decoding
from tbpsbench.captions.generate import generate
from tbpsbench.captions.store import Store


@pytest.fixture(scope="session")
def human(mini):
    return read_annotations(mini / "tiny-0" / "human.jsonl")


@pytest.fixture(scope="session")
def client(human):
    return FakeMLLM(human)


@pytest.fixture
def caption(human, client, tmp_path):
    """Caption images: (outcome, records, failures, requests)."""

    def run(source, images=4, replies=None, decoding=None, at_once=8, folder="run", who=None):
        client.replies, client.asked[:] = replies or {}, []
        clients = who or dict.fromkeys(("mllm", "reconstructor", "masker", "describer"), client)
        with Store(tmp_path / folder) as store:
            chosen = human.split("train")[:images]
            work = generate(source, chosen, human.image_root, clients, store, decoding or Decoding(), at_once=at_once)
            outcome = asyncio.run(work)
            return outcome, list(store.records()), list(store.failures()), list(client.asked)

    return run
