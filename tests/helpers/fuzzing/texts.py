"""Targets that are texts: JSON, annotations, releases, configs, suites, published tables, papers, paths, sessions."""

import json
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np

from fuzzing.target import Target
from fuzzing.values import PYTHON, Raw, as_json, as_json_lines, as_python, as_text
from tbpsbench.annotations import read_annotations, write_annotations
from tbpsbench.bundle import folder
from tbpsbench.config.check import require_valid
from tbpsbench.config.dump import render
from tbpsbench.config.flat import explain, fingerprint
from tbpsbench.config.literal import parse_value
from tbpsbench.config.load import load_config
from tbpsbench.config.settings import Settings
from tbpsbench.data.csv_dataset import CSVDataset
from tbpsbench.data.cuhk_pedes import CUHKPEDES
from tbpsbench.data.tokenizers.clip_bpe import CLIPBPE
from tbpsbench.data.tokenizers.wordpiece import WordPiece
from tbpsbench.interaction.rules import PRESETS
from tbpsbench.interaction.session import begin, read_session
from tbpsbench.interaction.turns import PERSON, Answered, Judged, Refined
from tbpsbench.leaderboard.published.papers import read_paper
from tbpsbench.leaderboard.published.read import read_published
from tbpsbench.leaderboard.suite.read import read_suite
from tbpsbench.reading import given_path, parse_json, read_jsonl, read_lines

ROOT = Path(__file__).resolve().parents[3]
DEMO = str(ROOT / "configs/mini/two-tower_mini-pedes.py")
CONFIGS = (
    "mini/two-tower_mini-pedes.py", "bdam_mamba/bdam-mamba_tiny_mini-pedes.py", "clip/clip_tiny_mini-pedes.py",
    "irra/irra_clip-vit-b16_1xb64-60e_cuhk-pedes.py", "rde/rde_tiny_mini-pedes.py",
)  # fmt: skip
KEYS = ("model.losses.tse.type", "evaluation.type", "data.transforms.0", "seed", "a.b", "data.size.0", "model.heads.a")
CODE = tuple(map(Raw, PYTHON))


def written(data, folder, name):
    """A file with this content."""
    path = folder / name
    path.write_bytes(data)
    return path


def use_config(path, folder, overrides=()):
    """All that the tools do with a config before they read data: check, explain, fingerprint, write, read again."""
    config = load_config(path, overrides)
    require_valid(config)
    explain(config)
    values = Settings.of(config.values).values()
    again = written(render(values).encode(), folder, "again.py")
    assert fingerprint(load_config(again).values) == fingerprint(values), "another config after a round trip"


def there_and_back(path, folder):
    """Read an annotation file, write it, and read it again: the records must be the same."""
    found = read_annotations(path)
    header = found.header
    again = write_annotations(
        folder / "again.jsonl", found.dataset, found.source, found.records,
        images=header["images"], made_from=header.get("made_from"), notes=header.get("notes"),
    )  # fmt: skip
    assert read_annotations(again).records == found.records, "other records after a round trip"


def _annotations():
    lines = [
        {
            "image_id": number, "file": f"{number}.png", "pid": number // 2, "split": ("train", "test")[number // 2],
            "camera": number, "outfit": "A",
            "attributes": {"age": "adult", "visible": ["hat"], "shoes": {"colour": "red"}},
            "captions": [{"caption_id": number, "role": "query", "text": f"person {number}", "derived_from": "image",
                          "style": "terse"}],
        }
        for number in range(4)
    ]  # fmt: skip
    header = {"tbpsbench_annotations": 1, "dataset": "MiniPEDES", "source": "human", "images": "images",
              "made_from": {"domain": "street", "size": "tiny", "seed": 0}, "notes": {"about": "drawn"}}  # fmt: skip
    counts = {split: {"ids": 1, "images": 2, "captions": 2} for split in ("train", "test")}
    return [[header, *lines], [header | {"counts": counts}, *lines]]


def _release():
    many = [{"id": n // 2, "file_path": f"a/{n}.png", "captions": ["a man", "b"], "processed_tokens": [["a"]],
             "split": ("train", "val", "test")[n // 4]} for n in range(12)]  # fmt: skip
    single = [{**item, "captions": [text]} for item in many for text in item["captions"]]
    return [many, single]


def _prepare(data, folder):
    written(data, folder, "reid_raw.json")
    CUHKPEDES(str(folder)).prepare(allow_partial=True)


def _csv_data():
    rows = [f"{n}.png,{n // 2},{('train', 'test')[n // 2]},a man in red,{n}" for n in range(4)]
    return ["\n".join(["file,pid,split,caption,camera", *rows, ""]).encode()]


def _read_csv_data(data, folder):
    written(data, folder, "mine.csv")
    CSVDataset(str(folder), "mine.csv").load()


@cache
def _config_values():
    return [load_config(folder("configs") / name).values for name in CONFIGS]


def _config_examples():
    return [*_config_values(), *(Settings.of(values).values() for values in _config_values())]


def _overrides():
    return [
        ["data.batch_size=32", "model.losses.tse.type=CMPM"], ["model.fuser=None", "data.transforms.0.type=Normalize"],
        ["evaluation.metrics.0=dict(type='RecallAtK', k=(1, 5))", "runtime.amp='bf16'"],
        ["model.image_encoder.arch.layers=2"], ["hooks.a=dict(type='x')", "param_groups.type=x", "data.size=(48, 24)"],
    ]  # fmt: skip


def _suite():
    values = load_config(folder("configs") / "leaderboards" / "mini.py").values
    text = json.dumps(values).replace("../", f"{folder('configs')}/")
    small = json.loads(text)
    small["entries"] = dict(list(small["entries"].items())[:2])
    return [small]


def _tables():
    tables = sorted((ROOT / "benchmarks" / "published").glob("*.csv"))
    return [b"\n".join(path.read_bytes().split(b"\n")[:4]) + b"\n" for path in tables[:4]]


def _read_table(data, folder):
    (folder / "published").mkdir(exist_ok=True)
    written(data, folder / "published", "one.csv")
    read_published(folder / "published")


def _paper():
    rows = "Method\tRef.\tR@1\tR@5\tmAP\nIRRA [3]\tCVPR'23\t73.38\t89.93\t66.13\nOurs\t-\t<u>75.1</u>\t-\t67.0\n"
    two = "Method\tCUHK-PEDES\t\tICFG-PEDES\t\n\tR@1\tmAP\tR@1\tmAP\nIRRA\t73.38\t66.13\t63.46\t38.06\n"
    return [f"Title\n\nTable 1: on CUHK-PEDES\n\n{rows}\nTable 2. Both\n\n{two}\n- [3] Jiang, CVPR 2023\n"]


@cache
def _clip():
    return CLIPBPE(context_length=77)


def _encode_text(data, _):
    _clip()([data.decode("utf-8", "surrogatepass") if data.isascii() else data.decode("utf-8", "replace")])


def _vocabulary():
    return ["\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "man", "##s", "in", "red"]) + "\n"]


def _sessions():
    base_G = np.array([0.4, 0.1, 0.9, 0.3, 0.2], np.float32)
    persons = replace(PRESETS["ctgi"], answerer="person", rejected="last", k=3)
    session = begin("a man in a red coat", base_G, persons, system="abc")
    answered = Answered(("shoes",), ("Which shoes?",), ("He wears boots.",), said="boots", image=2)
    said = session.take(Judged(2, True, by=PERSON)).take(answered).take(Refined("a man in boots")).undo()
    icl = begin("a man", base_G, PRESETS["icl"]).take(Judged(2, False)).take(Judged(0, True))
    return [[json.loads(line) for line in one.export().splitlines()] for one in (session, said, icl)]


def _play(data, _):
    """Read a session, export it, read that again: the same session, wherever it stands."""
    session = read_session(_text(data).split("\n"), "odd.jsonl")
    assert read_session(session.export().splitlines()) == session, "another session after a round trip"
    session.step()
    if session.opening.images == 5:
        found_G = session.scores(np.linspace(0, 1, 5, dtype=np.float32), lambda _: np.zeros(5, np.float32))
        assert found_G.shape == (5,)


def _override(data, folder):
    try:
        texts = json.loads(data)
    except ValueError:
        texts = data.decode("utf-8", "surrogateescape").split("\n")  # as a command line would bring it
    use_config(DEMO, folder, [text for text in texts if isinstance(text, str)] if isinstance(texts, list) else [])


def _overrides_json(value):
    return json.dumps([text if isinstance(text, str) else repr(text) for text in value]
                      if isinstance(value, list) else [repr(value)]).encode()  # fmt: skip


def _text(data):
    return data.decode("utf-8", "surrogateescape")


TARGETS = (
    Target("json", lambda: [{"a": [1, 2.5, "x", None, {"b": True}]}, *_release()],
           lambda data, _: parse_json(data, "odd.json"), as_json),
    Target("json-lines", lambda: [[{"a": 1}, [1, 2], "x"], *_annotations()],
           lambda data, folder: list(read_jsonl(written(data, folder, "odd.jsonl"))), as_json_lines),
    Target("lines", lambda: ["a\nb\r\nc\n"],
           lambda data, folder: read_lines(written(data, folder, "odd.txt")), as_text),
    Target("path", lambda: ["data/CUHK-PEDES", "~/x", "/a/b.pth"], lambda data, _: given_path(_text(data)), as_text),
    Target("annotations", _annotations,
           lambda data, folder: there_and_back(written(data, folder, "odd.jsonl"), folder), as_json_lines),
    Target("official", _release, _prepare, as_json),
    Target("csv-data", _csv_data, _read_csv_data),
    Target("config-text", _config_examples,
           lambda data, folder: use_config(written(data, folder, "odd.py"), folder), as_python, CODE),
    Target("config-override", _overrides, _override, _overrides_json,
           tuple(f"{key}={code}" for key in KEYS for code in (*PYTHON, "x", "None", "['a']", "{}", "dict(type='x')"))),
    Target("config-value", lambda: ["dict(a=1, b=(2, 'x'))", "[1, None, -2.5]", "plain text", *PYTHON],
           lambda data, _: parse_value(_text(data)), as_text),
    Target("suite", _suite, lambda data, folder: read_suite(written(data, folder, "suite.py")), as_python, CODE),
    Target("published", _tables, _read_table),
    Target("paper", _paper, lambda data, folder: read_paper(written(data, folder, "009_x.txt")), as_text),
    Target("session", _sessions, _play, as_json_lines),
    Target("tokenizer-text", lambda: ["a man in a red shirt [SEP] <|endoftext|>"], _encode_text, as_text),
    Target("tokenizer-vocabulary", _vocabulary, lambda data, folder: WordPiece(
        str(written(data, folder, "vocab.txt")), max_length=16)(["a man"]), as_text),
)  # fmt: skip
