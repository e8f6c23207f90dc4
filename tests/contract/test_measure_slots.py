"""Every built-in that reads data or measures keeps the promises of its slot; a new one is found by itself."""

import json

import pytest
from PIL import Image

from tbpsbench import testing
from tbpsbench.builtins import BUILTINS


@pytest.mark.parametrize("name", BUILTINS["METRICS"])
def test_metric(name):
    testing.check_metric({"type": name})


def test_metric_with_other_cut_offs():
    testing.check_metric({"type": "RecallAtK", "ks": [2, 3, 40]})


@pytest.mark.parametrize("name", BUILTINS["PROTOCOLS"])
def test_protocol(name):
    testing.check_protocol({"type": name})


@pytest.mark.parametrize("name", BUILTINS["RERANKERS"])
def test_reranker(name):
    testing.check_reranker({"type": name})


@pytest.mark.parametrize(
    "options",
    [
        {"type": "KReciprocal", "k1": 4, "k2": 1},
        {"type": "InvertedSoftmax", "k": None},
        *({"type": "ImageTextMatching", "k": 4, "join": join} for join in ("replace", "add", "range")),
    ],
)
def test_reranker_with_options(options):
    testing.check_reranker(options)


@pytest.mark.parametrize("name", BUILTINS["SAMPLERS"])
def test_sampler(name):
    testing.check_sampler({"type": name})


def test_sampler_that_drops_the_last_pairs():
    testing.check_sampler({"type": "Shuffle", "drop_last": True})


@pytest.mark.parametrize("name", BUILTINS["TOKENIZERS"])
@pytest.mark.parametrize("length", [None, 8])
def test_tokenizer(name, length):
    key = "context_length" if name == "CLIPBPE" else "max_length"
    testing.check_tokenizer({"type": name} | ({key: length} if length else {}))


OFFICIAL = {
    "CUHKPEDES": ("reid_raw.json", "file_path", "imgs"),
    "ICFGPEDES": ("ICFG-PEDES.json", "file_path", "imgs"),
    "RSTPReid": ("data_captions.json", "img_path", "imgs"),
    "UFine6926": ("UFine6926_Annotations_1024.json", "file_path", "."),
}


def release(name, root):
    """The component of a data set, with a release of three people in the form of its owners at `root`."""
    splits = ("train", "val", "test") if name != "ICFGPEDES" and name != "UFine6926" else ("train", "test")
    if name == "MiniPEDES":
        return {"type": name, "root": str(root), "size": "tiny"}
    table, key, images = OFFICIAL.get(name, ("list.csv", "file", "images"))
    rows = []
    for pid, split in enumerate(splits, start=1):
        (root / images / split).mkdir(parents=True)
        Image.new("RGB", (4, 8), (pid, 0, 0)).save(root / images / split / "1.png")
        rows.append({"id": pid, key: f"{split}/1.png", "captions": ["a man", "a man in red"], "split": split})
    if name in OFFICIAL:
        (root / table).write_text(json.dumps(rows))
        return {"type": name, "root": str(root)}
    lines = [f"{row[key]},{row['id']},{row['split']},{text}" for row in rows for text in row["captions"]]
    (root / table).write_text("\n".join(["file,pid,split,caption", *lines]) + "\n")
    return {"type": name, "root": str(root), "file": table}


@pytest.mark.parametrize("name", BUILTINS["DATASETS"])
def test_data_set(name, tmp_path):
    options = {"allow_partial": True} if name in OFFICIAL else {}
    loaded = testing.check_dataset(release(name, tmp_path), **options)
    assert {"train", "test"} <= set(loaded.splits())


@pytest.mark.parametrize("name", BUILTINS["CAPTION_SOURCES"])
def test_caption_source(name, mini):
    """Those that read a file are shown one of a simulated model, which is made on first use."""
    made = "static-wrong10"
    dataset = {"type": "MiniPEDES", "root": str(mini), "size": "tiny"}
    testing.check_caption_source({"type": "file", "name": made}, dataset)
    testing.check_caption_source({"type": name, **({} if name in ("human", "terse") else {"name": made})}, dataset)
