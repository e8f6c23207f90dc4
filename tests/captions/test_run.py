"""A run from its config to its file, which training reads by name and a search does not."""

import asyncio
import json
import os
import shutil
import time
from dataclasses import replace

import pytest
from PIL import Image

from tbpsbench.annotations import read_annotations
from tbpsbench.captions.manifest import differences
from tbpsbench.captions.publish import compact
from tbpsbench.captions.run import make_plan, run, spread, what_decides
from tbpsbench.captions.settings import CaptionSettings, read_settings
from tbpsbench.captions.store import Store, read_lines
from tbpsbench.config.load import load_config
from tbpsbench.data.mini_pedes import MiniPEDES
from tbpsbench.errors import ConfigError, DataError, StorageError
from tbpsbench.mllm.meter import Meter


@pytest.fixture
def plan(mini, tmp_path):
    def make(root=None, **changes):
        settings = CaptionSettings(
            dataset={"type": "MiniPEDES", "root": str(root or mini), "size": "tiny"},
            source={"type": "mtg", "name": tmp_path.name},  # tests side by side share the data set's folder
            mllm={"type": "Simulated", "wrong": 0.1},
            out=str(tmp_path / "run"),
        )
        return make_plan(replace(settings, **changes))

    return make


def go(plan, **arguments):
    return asyncio.run(run(plan, Meter(plan.settings.limits), **arguments))


def test_from_config_to_file(plan, tmp_path):
    made = plan()
    assert {image.split for image in made.images} == {"train"}
    outcome = go(made)
    assert (outcome.made, outcome.failed, outcome.stopped) == (len(made.images), 0, None)
    assert made.left() == 0
    path = made.publish()
    try:
        file = read_annotations(path)
        captioner = file.header["made_from"]["captioner"]
        assert captioner["source"] == "mtg"
        assert captioner["models"] == dict.fromkeys(("mllm", "reconstructor"), captioner["models"]["mllm"])
        assert set(captioner["prompts"]) == {"static", "question", "reconstruct"}
        assert file.header["notes"]["simulated"]["mllm"]["wrong"] == 0.1
        for record in file.records:
            assert len(record.captions) == (record.split == "train")
        first = file.records[0].captions[0]
        assert (first.role, first.source, first.derived_from) == ("query", made.source.name, "image")
        again = path.read_bytes()
        made.publish()
        assert path.read_bytes() == again
    finally:
        path.unlink()


def test_a_run_goes_on_where_it_stopped(plan):
    made = plan()
    assert go(made, limit=5).made == 5
    with pytest.raises(DataError, match=f"{len(made.images) - 5} of {len(made.images)} images have no caption yet"):
        made.publish()
    meter = Meter()
    outcome = asyncio.run(run(made, meter))
    assert outcome.made == len(made.images) - 5
    assert go(made).made == 0


def test_budget(plan):
    """The run stops before it would pass it, and goes on with a larger one; nothing is asked twice."""
    outcome = go(plan(budget={"calls": 20}))
    assert outcome.stopped is not None
    assert "budget" in str(outcome.stopped).lower()
    assert outcome.made >= 1
    meter = Meter()
    made = plan()
    asyncio.run(run(made, meter))
    assert made.left() == 0
    whole = Meter()
    asyncio.run(run(plan(out=f"{made.folder}-whole"), whole))
    assert meter.calls + 20 >= whole.calls > meter.calls


def test_resume_modes(plan):
    go(plan(), limit=2)
    with pytest.raises(ConfigError, match="holds captions already"):
        go(plan(), resume="never")
    other = plan(mllm={"type": "Simulated", "wrong": 0.2})
    with pytest.raises(ConfigError, match=r"models\.mllm"):
        go(other)
    go(plan(images_at_once=3, budget={"calls": 10**6}), limit=1)  # what decides no text may change
    assert go(other, resume="always", limit=1).made == 1
    manifest = json.loads((other.folder / "manifest.json").read_text())
    assert len(manifest["history"]) == 2
    assert go(plan(out=f"{other.folder}-new"), resume="never", limit=1).made == 1


def test_differences_are_told():
    assert differences({"a": {"b": 1}, "c": 2}, {"a": {"b": 3}, "c": 2}) == ["a.b: 1 before, 3 now"]


def test_shards_share_the_images_and_one_file(plan):
    made = plan()
    outcomes = [go(made, shard=(number, 3)) for number in range(3)]
    assert all(outcome.made for outcome in outcomes)
    assert sum(outcome.made for outcome in outcomes) == len(made.images)
    assert go(made, shard=(0, 1)).made == 0  # another number of shards sees what all have done
    assert made.left() == 0
    assert len(sorted(made.folder.glob("records-*of3.jsonl"))) == 3


def test_failed_images_are_tried_again_when_asked(plan):
    made = plan(source={"type": "mtg", "name": "made", "min_slots": 99})
    assert go(made, limit=3).reasons == {"coverage": 3}
    assert go(made, limit=3).made == 0
    assert made.left() == len(made.images) - 6
    for _ in range(2):
        meter = Meter()
        assert asyncio.run(run(made, meter, limit=3, retry_failed=True)).failed == 3
        assert meter.calls == 3 * 3  # the merged text alone, asked anew as often as at first; answers are kept


def test_images_that_failed_otherwise_are_tried_again(plan):
    source = {"type": "mtg", "name": "made", "min_slots": 99}
    left = len(plan(source=source).images) - 3
    for retries in (1, 0):
        made = plan(source=source, retries=retries)
        assert go(made, limit=3).reasons == {"coverage": 3}
        assert made.left() == left


def test_the_data_sets_own_captions_are_not_overwritten(plan):
    with pytest.raises(ConfigError, match=r"source\.name: 'human' would put .* Choose another name"):
        plan(source={"type": "mtg", "name": "human"})


def test_a_retriever_decides_texts(plan, tmp_path):
    checkpoint = tmp_path / "best.pth"
    checkpoint.write_bytes(b"1")
    prints = [what_decides(plan(), {}).fingerprint]
    with_one = plan(retriever={"checkpoint": str(checkpoint)})
    prints.append(what_decides(with_one, {}).fingerprint)
    checkpoint.write_bytes(b"2")
    prints.append(what_decides(with_one, {}).fingerprint)
    folder = tmp_path / "saved"
    folder.mkdir()
    for text in ("{}", "{ }"):
        (folder / "config.json").write_text(text)
        prints.append(what_decides(plan(retriever={"checkpoint": str(folder)}), {}).fingerprint)
    assert len({*prints}) == 5


def test_compact(plan):
    pytest.importorskip("pyarrow")
    import pandas as pd

    made = plan()
    go(made, limit=3)
    frame = pd.read_parquet(compact(made.folder))
    assert len(frame) == 3
    assert json.loads(frame["texts"][0])[0]["role"] == "query"


def test_images_of_a_preview_are_spread():
    assert spread([], 3) == []
    assert spread(range(100), 4) == [0, 25, 50, 75]  # type: ignore[arg-type]
    assert spread(range(3), 8) == [0, 1, 2]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("source=dict(type='mtg')", "needs the argument 'dataset'"),
        ("sources=1", "no key 'sources'. Did you mean 'source'"),
        ("dataset=dict(type='MiniPEDES')\nsource=dict(type='mtg', round=3)\nmllm=dict(type='Simulated')",
         "has no argument 'round'. Did you mean 'rounds'"),
        ("dataset=dict(type='MiniPEDES')\nsource=dict(type='mtg')\nmllm=dict(type='Simulatd')", "no MLLM client"),
        ("dataset=dict(type='MiniPEDES')\nsource=dict(type='mtg')\nmllm=dict(type='Simulated')\nbudget=dict(dollars=3)",
         "a budget has no 'dollars'"),
        ("dataset=dict(type='MiniPEDES')\nsource=dict(type='mtg')\nmllm=dict(type='Simulated')\nretries=-1",
         "retries: is -1"),
        ("dataset=dict(type='MiniPEDES')\nsource=dict(type='mtg')\nmllm=dict(type='Simulated')\nvalidation='lax'",
         "validation"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_config(tmp_path, text, message):
    (tmp_path / "c.py").write_text(text)
    with pytest.raises(ConfigError) as error:
        read_settings(load_config(tmp_path / "c.py"))
    assert message in str(error.value)


def test_a_source_that_makes_nothing(plan):
    with pytest.raises(ConfigError, match="makes no captions"):
        plan(source={"type": "human"})


def test_a_split_that_is_not_there(plan):
    with pytest.raises(DataError, match="no images in the split 'trian'"):
        plan(splits=("trian",))


def test_simulated_captions_by_name(mini):
    from tbpsbench.captions.file import File
    from tbpsbench.captions.simulated import settings_of

    dataset = MiniPEDES(str(mini), size="tiny")
    path = dataset.root / "static-wrong20-missing5.jsonl"
    try:
        file = File("static-wrong20-missing5").load(dataset)
        told = file.header["notes"]["simulated"]["mllm"]
        assert (told["wrong"], told["missing"]) == (0.2, 0.05)
        assert all(len(record.captions) == 1 for record in file.split("train")), file.header["notes"]
        content = path.read_bytes()
        path.unlink()
        File("static-wrong20-missing5").load(dataset)
        assert path.read_bytes() == content
    finally:
        path.unlink(missing_ok=True)
    assert settings_of("nothing-wrong20") is None
    assert settings_of("static") is None
    with pytest.raises(DataError, match="each rate once"):
        settings_of("static-wrong20-wrong30")
    with pytest.raises(DataError, match="no such file"):
        File("static-wrong2x").load(dataset)


def test_two_runs_that_share_the_images_out_otherwise_do_not_run_together(plan):
    made = plan()
    go(made, limit=1)
    with Store(made.folder, (1, 2)):
        with pytest.raises(StorageError, match=r"another process captions the shard 1of2, this one would be one of 1"):
            go(made, limit=1)
        assert go(made, shard=(0, 2), limit=1).made == 1
    assert go(made, limit=1).made == 1


def test_captions_of_another_run_are_not_overwritten(plan, tmp_path):
    made = plan()
    path = made.path
    try:
        go(made)
        made.publish()
        assert go(made).made == 0
        made.publish()
        content = path.read_bytes()
        other = plan(mllm={"type": "Simulated", "wrong": 0.2}, out=str(tmp_path / "other"))
        with pytest.raises(DataError, match="holds captions that this run has not made"):
            go(other)
        assert not (tmp_path / "other" / "manifest.json").exists()
        assert path.read_bytes() == content
        mixed = plan(mllm={"type": "Simulated", "wrong": 0.2})
        go(mixed, resume="always")
        mixed.publish()
        path.write_text("my own notes")
        with pytest.raises(DataError, match="another name"):
            made.publish()
        assert path.read_text() == "my own notes"
    finally:
        path.unlink(missing_ok=True)


def test_a_picture_that_was_replaced_is_named(mini, tmp_path, plan):
    shutil.copytree(mini / "tiny-0", tmp_path / "data" / "tiny-0")
    made = plan(root=tmp_path / "data")
    go(made, limit=3)
    (captioned,) = (line["image_id"] for line in [*read_lines(made.folder, "records")][:1])
    picture = made.human.image_root / captioned
    later = time.time() + 10
    os.utime(picture, (later, later))
    go(made, limit=1)  # the same pixels under a new date
    Image.new("RGB", (8, 16)).save(picture)
    os.utime(picture, (later, later))
    with pytest.raises(DataError, match=rf"were replaced after they had been captioned \(1, e\.g\. '{captioned}'\)"):
        go(made)
