"""What an evaluation opens, what a run tokenises, and what decides the scores on another data set."""

import json
from collections import Counter

import pytest

from tbpsbench.annotations import read_annotations
from tbpsbench.data.tokenizers.wordpiece import WordPiece
from tbpsbench.engine.trained import open_trained

DEMO = "configs/mini/two-tower_mini-pedes.py"


@pytest.fixture
def tokenised(monkeypatch):
    """How often every text was tokenised."""
    found = Counter()
    plain = WordPiece.encode_all

    def encode_all(self, texts):
        found.update(texts)
        return plain(self, texts)

    monkeypatch.setattr(WordPiece, "encode_all", encode_all)
    return found


@pytest.mark.parametrize("kind", ["wordpiece", "bdam"])
def test_evaluation_opens_no_training_image_and_tokenises_no_training_caption(
    trained, tool, mini, opened, tokenised, kind
):
    run = trained(kind)
    opened.clear()
    tokenised.clear()
    options = ["--cfg-options", "evaluation.gallery_texts=None"] if kind == "bdam" else []
    code, _, err = tool("test", run / "best.pth", *options)
    assert code == 0, err
    annotations = read_annotations(mini / "tiny-0" / "human.jsonl")
    seen = {name.rsplit("/", 1)[-1] for name in opened if "/tiny-0/" in name}
    shown = {record.file for split in ("test", "test-clothes") for record in annotations.split(split)}
    assert shown <= seen
    assert not seen & {record.file for record in annotations.records if record.file not in shown}
    assert "descriptions.jsonl" not in seen
    assert not [name for name in opened if ".cache" in name and "tiny-0" in name], "no cache is needed or made"
    asked = {caption.text for record in annotations.split("test") for caption in record.captions}
    assert set(tokenised) == asked
    assert max(tokenised.values()) == 1


@pytest.mark.parametrize("options", [[], ["data.descriptions=descriptions"]], ids=["plain", "descriptions"])
def test_a_run_tokenises_every_text_once(tool, demo, tmp_path, tokenised, options):
    tokenizer = "data.tokenizer=dict(type='WordPiece', vocab_size=400, max_length=48)"
    vocabulary = "model.text_encoder.vocab_size=49408"
    more = [tokenizer, vocabulary, "schedule.max_epochs=2", "data.num_workers=0", *options]
    if options:
        more += ["model.fuser=dict(type='SimpleFuser', dim=16, out_dim=16)", "model.heads.global.image=fused"]
        more += ["evaluation.gallery_texts=descriptions"]
    code, _, err = tool("train", demo[0], "--work-dir", tmp_path / "run", *demo[1:], *more)
    assert code == 0, err
    assert len(tokenised) > 100
    assert [text for text, times in tokenised.items() if times > 1] == []


def test_scores_on_other_data_do_not_depend_on_that_sets_other_captions(trained, tool, mini, tmp_path):
    run = trained("wordpiece")
    records = {}
    for name in ("as drawn", "other words"):
        root = tmp_path / name
        indoor = ["data.dataset.domain=indoor", f"data.dataset.root={root}", "data.dataset.size=tiny"]
        indoor += ["data.num_workers=0", "runtime.threads=1"]
        if name == "other words":
            rename_training_words(root / "tiny-0-indoor" / "human.jsonl", tmp_path / "as drawn" / "tiny-0-indoor")
        code, out, err = tool("test", DEMO, run / "best.pth", "--out", root / "record", "--cfg-options", *indoor)
        assert code == 0, err
        assert "from the checkpoint, not from" in out
        records[name] = json.loads((root / "record" / "record.json").read_text())
    first, second = records.values()
    assert first["results"] == second["results"]
    assert first["data"]["tokenizer_sha256"] == second["data"]["tokenizer_sha256"]
    assert first["data"]["sources"][0]["sha256"] != second["data"]["sources"][0]["sha256"]
    own = json.loads((run / "record" / "record.json").read_text())
    assert first["system_sha256"] == own["system_sha256"]
    assert first["config"]["data"] == own["config"]["data"]
    assert (first["spec"]["trained_on"], first["spec"]["data"]) == ("MiniPEDES (tiny)", "MiniPEDES (indoor, tiny)")


def rename_training_words(path, drawn):
    """The same data set, with training captions in words that nobody else uses."""
    path.parent.mkdir(parents=True)
    (path.parent / "images").symlink_to(drawn / "images")
    header, *lines = (drawn / "human.jsonl").read_text().splitlines()
    changed = [json.loads(line) for line in lines]
    for line in changed:
        for caption in line["captions"]:
            if line["split"] == "train":
                caption["text"] = " ".join(f"z{word}q" for word in caption["text"].split())
    path.write_text("\n".join([header, *map(json.dumps, changed)]) + "\n")


def test_overrides_of_what_the_checkpoint_decides_are_refused(trained, tool):
    run = trained("wordpiece")
    code, _, err = tool("test", run, "--cfg-options", "data.size=(64, 32)", "model.heads.global.embed_dim=8")
    assert code == 2
    assert "part of the trained system and cannot be overridden: data.size, model.heads.global.embed_dim" in err
    code, _, err = tool("test", run, "--cfg-options", "evaluation.selection=last")
    assert code == 2
    assert "cannot be overridden: evaluation.selection" in err
    code, _, err = tool("test", run, "--cfg-options", "evaluation.tise=stable")
    assert code == 2
    assert "Did you mean 'ties'?" in err


def test_a_config_that_differs_from_the_system_is_named_key_by_key(trained, mini):
    run = trained("wordpiece")
    options = [f"data.dataset.root={mini}", "data.dataset.size=tiny", "data.num_workers=0", "data.mean=(0.1, 0.1, 0.1)"]
    trained_ = open_trained(run / "best.pth", DEMO, options)
    (note,) = trained_.notes
    assert "data.mean" in note
    assert "data.size" in note
    assert "losses" not in note
    assert trained_.system.preprocess.mean == (0.5, 0.5, 0.5)
