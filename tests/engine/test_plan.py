"""What an evaluation asks is known from annotations: a run with nothing to score is refused before its first step."""

from dataclasses import replace

import numpy as np
import pytest
from runs import train_in

from tbpsbench.annotations import read_annotations, write_annotations
from tbpsbench.config.load import load_config
from tbpsbench.engine.plan import plan_evaluation
from tbpsbench.engine.run import build_run
from tbpsbench.errors import ConfigError, DataError
from tbpsbench.protocols.base import Task
from tbpsbench.protocols.standard import Standard

CAPTIONED = "evaluation.protocols=('without-captioned-image',)"


@pytest.fixture
def edited(mini, tmp_path):
    """The tiny MiniPEDES as a data set of its own after `edit(records)`, as an override of a config."""

    def make(edit):
        folder, source = tmp_path / "edited", mini / "tiny-0"
        folder.mkdir()
        (folder / "images").symlink_to(source / "images")
        records, made, caption_id = edit(read_annotations(source / "human.jsonl").records), [], 0
        for image_id, record in enumerate(records):
            captions = []
            for caption in record.captions:
                captions.append(replace(caption, image_id=image_id, caption_id=caption_id))
                caption_id += 1
            made.append(replace(record, image_id=image_id, captions=tuple(captions)))
        write_annotations(folder / "human.jsonl", "Edited", "human", made)
        return f"data.dataset=dict(type='CUHKPEDES', root={str(folder)!r})"

    return make


def one_image_per_person(split):
    """Keep the first image of every person of a split."""

    def edit(records):
        seen = set()
        return [r for r in records if r.split != split or not (r.pid in seen or seen.add(r.pid))]

    return edit


def without_captions(split):
    return lambda records: [replace(r, captions=()) if r.split == split else r for r in records]


def without(split):
    return lambda records: [r for r in records if r.split != split]


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (one_image_per_person("val"), "split 'val' under the protocol 'without-captioned-image': none of 8 queries"),
        (one_image_per_person("test"), "split 'test' under the protocol 'without-captioned-image': none of"),
        (without_captions("val"), "no query captions in the split 'val'"),
        (without_captions("test"), "no query captions in the split 'test'"),
        (without("val"), "no images in the split 'val'"),
    ],
    ids=["val-one-image", "test-one-image", "val-no-captions", "test-no-captions", "no-val"],
)
def test_run_that_could_not_be_scored_is_refused_before_training(demo, tmp_path, edited, edit, message):
    with pytest.raises(DataError, match=message):
        train_in(tmp_path / "run", demo, edited(edit), CAPTIONED)
    assert not (tmp_path / "run" / "last.pth").exists()
    assert not (tmp_path / "run" / "logs").exists()


def test_tool_leaves_nothing_behind(demo, tmp_path, edited, tool):
    options = [edited(one_image_per_person("val")), CAPTIONED, "data.num_workers=0"]
    code, _, err = tool("train", demo[0], "--work-dir", tmp_path / "run", *demo[1:], *options)
    assert code == 2
    assert "nothing can be scored" in err
    assert "Traceback" not in err
    assert not (tmp_path / "run").exists()


def test_last_epoch_needs_no_validation_split(demo, tmp_path, edited):
    options = [edited(without("val")), "evaluation.protocols=('standard',)", "evaluation.selection=last"]
    training, _ = train_in(tmp_path / "run", demo, *options, "schedule.max_epochs=1")
    assert (tmp_path / "run" / "record" / "record.json").exists()
    assert training.progress.steps == len(training.run.training.loader)


def test_plan_names_every_question_once(demo):
    run = build_run(load_config(demo[0], [*demo[2:], "data.num_workers=0"]))
    section = replace(run.settings.evaluation, protocols=("standard", "clothes-change"), both_directions=True)
    plan = plan_evaluation(run.evaluation, "test", section)
    assert [question.name for question in plan.questions] == ["standard", "standard (image-to-text)", "clothes-change"]
    forth, back, changed = plan.questions
    assert (forth.captions_ask, back.captions_ask) == (True, False)
    assert forth.ask is back.answer
    assert len(changed.answer.pids) == sum(len(plan.galleries[split]) for split in changed.splits)
    assert len(changed.ask.pids) <= len(forth.ask.pids) == len(plan.queries)


@pytest.mark.parametrize(
    ("task", "message"),
    [
        (lambda q, g: Task(np.ones(3, bool)), "asks_Q is bool of shape"),
        (lambda q, g: Task([True] * q), "asks_Q is list"),
        (lambda q, g: Task(np.ones(q)), "asks_Q is float64"),
        (lambda q, g: np.ones(q, bool), "returned ndarray, expected a Task"),
        (lambda q, g: Task(np.ones(q, bool), np.ones(q), [0] * g), "gallery_group_G is list"),
        (lambda q, g: Task(np.ones(q, bool), np.ones(q)), "gives groups to one side alone"),
    ],
)
def test_what_a_plug_ins_protocol_returns_is_looked_at(demo, monkeypatch, task, message):
    monkeypatch.setattr(Standard, "task", lambda self, asked, gallery: task(len(asked), len(gallery)))
    with pytest.raises(ConfigError, match=f"evaluation.protocols: 'standard': .*{message}"):
        planned(demo)


@pytest.mark.parametrize(
    ("splits", "message"),
    [
        (("test", "test"), "each once"),
        (("val",), "expected 'test' first"),
        (("test", "tset"), "'tset', which the data set"),
    ],
)
def test_splits_that_a_plug_ins_protocol_shows_are_looked_at(demo, monkeypatch, splits, message):
    monkeypatch.setattr(Standard, "gallery_splits", lambda self, split: splits)
    with pytest.raises((ConfigError, DataError), match=message):
        planned(demo)


def planned(demo):
    run = build_run(load_config(demo[0], [*demo[2:], "evaluation.protocols=('standard',)"]))
    return plan_evaluation(run.evaluation, "test", run.settings.evaluation)
