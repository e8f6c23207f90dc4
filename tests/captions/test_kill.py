"""Killed at any moment, a run loses, doubles and invents nothing, and asks nothing again that it had kept an answer to.

Images are of one colour that spells their number; every answer names the request that it is of, so that it can be told
what was asked when, and whose record holds which answer.
"""

import asyncio
import hashlib
import io
import json
import os
import random
import re
import signal
import sqlite3
import threading
import time
import traceback
from collections import Counter

import pytest
from chat_faults import error, faults, reply
from chat_server import ChatServer
from PIL import Image

from tbpsbench.captions.run import CACHE, make_plan, run
from tbpsbench.captions.settings import CaptionSettings
from tbpsbench.captions.store import read_lines
from tbpsbench.files import sha256_file
from tbpsbench.mllm.meter import Meter

pytest.importorskip("openai")

SIDE = 16
CODE = re.compile(r"code (\w{10})")
QUICK = {
    name: act
    for name, act in faults().items()
    if name not in ("silence", "drip", "429", "429 retry-after 1", "429 retry-after date", "429 retry-after nonsense")
}
FAULT_SHARE = 0.15


class Scripted:
    """What the server does: a fault now and then, some images refused for good, else an answer with its code."""

    def __init__(self, refused):
        self.refused, self.answered, self.lock = refused, [], threading.Lock()
        self.number_of = {}

    def __call__(self, seen):
        if not any(known in seen.text for known in ("person", "Answer in")):
            return None  # the client tries what the server can do
        dice = random.Random(seen.number)
        if dice.random() < FAULT_SHARE:
            return QUICK[dice.choice(sorted(QUICK))]
        code = hashlib.sha256(json.dumps(seen.body, sort_keys=True).encode()).hexdigest()[:10]
        for picture in filter(None, seen.pictures):
            with Image.open(io.BytesIO(picture)) as image:
                red, green, _ = image.convert("RGB").getpixel((0, 0))
            self.number_of[code] = number = red * 256 + green
            if number in self.refused:
                return error(400, "content_filter", "the image was refused")
        with self.lock:
            self.answered.append(code)
        said = "wears a black backpack" if "Answer in" in seen.text else "wears a red coat, blue jeans and white boots"
        return reply(f"A young man with short brown hair {said}, code {code}.")


@pytest.fixture
def images(tmp_path):
    """A CSV data set of one-colour images, all of the training split."""

    def make(count):
        rows = []
        folder = tmp_path / "data" / "images"
        folder.mkdir(parents=True)
        for number in range(count):
            file = f"{number:05d}.png"
            Image.new("RGB", (SIDE, SIDE), (number // 256, number % 256, 128)).save(folder / file)
            rows.append(f"{file},{number},train,a person")
        (tmp_path / "data" / "all.csv").write_text("\n".join(["file,pid,split,caption", *rows]) + "\n")
        return {"type": "CSVDataset", "root": str(tmp_path / "data"), "file": "all.csv"}

    return make


def kept(folder):
    """Codes of all answers in the cache."""
    path = folder / CACHE
    if not path.exists():
        return set()
    with sqlite3.connect(path) as file:
        return {code for (text,) in file.execute("SELECT reply FROM replies") for code in CODE.findall(text)}


def drill(dataset, server, count, kills, seed):
    """Start, kill, start again, until the last run ends by itself; returns the plan and codes asked again in vain."""
    settings = CaptionSettings(
        dataset=dataset,
        source={"type": "mtg", "name": "made", "rounds": 1, "slots": ["bag"]},
        mllm={"type": "OpenAICompatible", "model": "m", "base_urls": [server.url], "min_pixels": SIDE * SIDE},
    )
    plan, dice, repeated = make_plan(settings), random.Random(seed), set()
    for turn in range(kills + 1):
        there, before = kept(plan.folder), len(server.script.answered)
        pid = os.fork()
        if pid == 0:
            code = 1
            try:
                outcome = asyncio.run(run(plan, Meter()))
                code = 0 if outcome.stopped is None else 3
            except BaseException:
                traceback.print_exc()
            finally:
                os._exit(code)
        if turn < kills:
            wanted = count * (turn + 1) // (kills + 2)
            while sum(1 for _ in _lines(plan.folder)) < wanted:
                time.sleep(0.02)
                assert os.waitpid(pid, os.WNOHANG) == (0, 0), "the run ended before it could be killed"
            time.sleep(dice.random() * 0.2)
            os.kill(pid, signal.SIGKILL)
        status = os.waitpid(pid, 0)[1]
        assert (status == signal.SIGKILL) if turn < kills else (status == 0), f"turn {turn}: {status}"
        repeated |= there & set(server.script.answered[before:])
        if turn == 0:  # as if the power had failed in the middle of a line
            with (plan.folder / "records-0of1.jsonl").open("ab") as stream:
                stream.write(b'{"image_id": "00000.png", "sch')
    return plan, repeated


def _lines(folder):
    path = folder / "records-0of1.jsonl"
    return path.read_bytes().split(b"\n")[:-1] if path.exists() else []


def check(plan, repeated, script, count):
    records, failed = list(read_lines(plan.folder, "records")), list(read_lines(plan.folder, "failed"))
    assert len({record["image_id"] for record in records}) == len(records) == count - len(script.refused)
    assert {line["number"] for line in failed} == script.refused
    assert {line["reason"] for line in failed} == {"content-filter"}
    assert repeated == set(), f"{len(repeated)} requests were sent again although their answers had been kept"
    answered = set(script.answered)
    for record in records:
        assert record["image_sha256"] == sha256_file(plan.human.image_root / record["image_id"])
        (static,) = CODE.findall(record["static_caption"])
        assert script.number_of[static] == record["number"], "a record holds the answer to another image"
        (text,) = record["texts"]
        assert text["valid"]["ok"]
        assert CODE.findall(text["text"])[0] in answered, "nobody has said this"
        assert record["qa"][0]["kept"]
    # What was under way when the process was killed had not reached it: at most so many answers came twice.
    doubled = sum(count - 1 for count in Counter(script.answered).values())
    assert doubled <= 3 * plan.settings.images_at_once


def test_killed_once(images):
    script = Scripted(refused={7, 31})
    with ChatServer(script) as server:
        plan, repeated = drill(images(48), server, 48, kills=1, seed=0)
    check(plan, repeated, script, 48)


@pytest.mark.slow
def test_two_thousand_images_killed_three_times(images):
    count, refused = 2000, set(range(0, 2000, 97))
    script = Scripted(refused)
    with ChatServer(script) as server:
        plan, repeated = drill(images(count), server, count, kills=3, seed=1)
    check(plan, repeated, script, count)
    path = plan.publish()
    assert len(path.read_bytes().splitlines()) == count + 1
