"""Targets that other code made: features, similarities, answer files, features of distractors."""

import io
import tempfile
from functools import cache
from pathlib import Path

import numpy as np

from fuzzing.target import Target
from fuzzing.texts import written
from tbpsbench.annotations import write_annotations
from tbpsbench.config.load import Config
from tbpsbench.external.features import DistractorFile, Features
from tbpsbench.external.read import read_given
from tbpsbench.external.score import score
from tbpsbench.external.task import open_task
from tbpsbench.types import Caption, ImageRecord

PEOPLE, WIDTH = 4, 3


@cache
def _task():
    folder = tempfile.TemporaryDirectory(prefix="fuzzing-")
    records = [
        ImageRecord(n, f"{n}.png", n, "test", (Caption(f"person {n}", "query", n, "human", "test", n),))
        for n in range(PEOPLE)
    ]
    about = {"generator": "tbpsbench.minipedes", "version": 1, "seed": 0, "size": "default", "domain": "street"}
    write_annotations(Path(folder.name) / "default-0" / "human.jsonl", "MiniPEDES", "human", records, made_from=about)
    component = {"type": "MiniPEDES", "root": folder.name}
    return open_task(Config(Path("odd.py"), {"data": {"dataset": component}}), "test")


def _arrays():
    numbers, rng = np.arange(PEOPLE), np.random.default_rng(0)
    files = np.array([f"{n}.png" for n in numbers])
    text, image = rng.standard_normal((2, PEOPLE, WIDTH)).astype(np.float32)
    found = []
    for save in (np.savez, np.savez_compressed):
        for arrays in ({"text": text, "image": image}, {"similarity": text @ image.T}):
            buffer = io.BytesIO()
            save(buffer, **arrays, caption_ids=numbers, image_ids=files)
            found.append(buffer.getvalue())
    return found


def _answers():
    return ["".join(f"{n}\t{n}.png {(n + 1) % PEOPLE}.png\n" for n in range(PEOPLE)).encode()]


def _distractors():
    buffer = io.BytesIO()
    np.save(buffer, np.ones((5, WIDTH), np.float16))
    return [buffer.getvalue()]


def _score(name):
    def use(data, folder):
        score(read_given(written(data, folder, name), _task()), _task())

    return use


def _read_distractors(data, folder):
    one = np.ones((1, WIDTH), np.float32)
    list(DistractorFile(written(data, folder, "odd.npy"), Features(one, one)).parts())


TARGETS = (
    Target("features", _arrays, _score("odd.npz")),
    Target("answers", _answers, _score("odd.txt")),
    Target("distractors", _distractors, _read_distractors),
)
