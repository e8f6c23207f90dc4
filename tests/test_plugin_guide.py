"""The shorter examples of docs/plugins.md work as written; tests/e2e/test_packaging.py follows the long one."""

import re
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tbpsbench import testing
from tbpsbench.annotations import read_annotations, write_annotations
from tbpsbench.metrics.ranking import positive_ranks
from tbpsbench.registry import DATASETS, INDEXES, METRICS, MLLM_CLIENTS
from tbpsbench.testing import check_dataset, check_index, check_metric, check_mllm_client
from tbpsbench.types import Caption, ImageRecord
from tbpsbench.weights import convert

BLOCKS = re.findall(r"^```python\n(.*?)^```", Path("docs/plugins.md").read_text(), re.M | re.S)


@pytest.fixture
def example():
    """Run the block that holds a text, and forget what it registered."""

    def execute(text):
        (block,) = [block for block in BLOCKS if text in block]
        names = {"__name__": "plugin_guide"}
        exec(block, names)
        return names

    yield execute
    DATASETS.remove("MySet")
    METRICS.remove("ReciprocalRank")
    MLLM_CLIENTS.remove("Command")
    INDEXES.remove("signs")


def test_an_index_that_finds_candidates_keeps_the_contract(example):
    example("class Signs")
    check_index({"type": "signs"}, items=500, recall=0.8)


def test_data_set_turns_its_list_into_annotations(example, tmp_path):
    rows = ["file,person,split,caption", "a.jpg,7,train,a man in red", "b.jpg,8,test,a woman in blue"]
    (tmp_path / "list.csv").write_text("\n".join(rows))
    (tmp_path / "photos").mkdir()
    for name in ("a.jpg", "b.jpg"):
        Image.new("RGB", (4, 8)).save(tmp_path / "photos" / name)
    example("class MySet")
    first, second = check_dataset({"type": "MySet", "root": str(tmp_path)}).records
    assert (first.pid, first.split, first.captions[0].text) == (7, "train", "a man in red")
    assert (second.file, second.captions[0].caption_id) == ("b.jpg", 1)


def test_mllm_client_asks_a_program(example):
    example("class Command")
    script = "import sys; sys.exit('no picture' if sys.stdin.buffer.read(1) != b'\\x89' else print('A coat.'))"
    check_mllm_client({"type": "Command", "command": f'{sys.executable} -c "{script}"'})


def test_translations_become_a_caption_file(tmp_path, monkeypatch):
    blocks = re.findall(r"^```python\n(.*?)^```", Path("docs/data.md").read_text(), re.M | re.S)
    (block,) = [block for block in blocks if "translations.json" in block]
    monkeypatch.chdir(tmp_path)
    captions = [Caption(text, "query", 0, "human", "train", i) for i, text in enumerate(("a man", "a person"))]
    records = [ImageRecord(0, "0.png", 1, "train", tuple(captions), attributes={"gait": "walking"})]
    write_annotations("data/CUHK-PEDES/human.jsonl", "CUHK-PEDES", "human", records, images="imgs")
    (tmp_path / "translations.json").write_text('{"a person": "somebody"}')
    exec(block, {})
    (record,) = read_annotations("data/CUHK-PEDES/back-translated.jsonl").records
    assert [(c.text, c.derived_from) for c in record.captions] == [("somebody", captions[1].sha256)]


def test_metric_gives_a_value_per_query(example):
    metric = example("class ReciprocalRank")["ReciprocalRank"]()
    query, gallery = np.eye(2, dtype=np.float32), np.array([[0.9, 0], [0.8, 0.1], [0.1, 0.5]], dtype=np.float32)
    ranks = positive_ranks(query, gallery, np.array([1, 2]), np.array([2, 1, 2]))
    assert metric.per_query(ranks)["MRR"].tolist() == [0.5, 1.0]
    check_metric({"type": "ReciprocalRank"})


def test_the_guide_lists_every_contract():
    listed = set(re.findall(r"`(check_\w+)\(", Path("docs/plugins.md").read_text().split("## Contracts")[1]))
    assert listed == {name for name in testing.__all__ if name.startswith("check_")} - {"check_state"}


def test_converter_is_registered(example, monkeypatch):
    monkeypatch.setattr(convert, "_converters", {}, raising=False)
    function = example("@converter")["from_released"]
    assert function({"my_head.weight": 1}, None) == {"losses.mine.head.weight": 1}
