"""Records against their checkpoint, their data and their own story of how the checkpoint was chosen."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from tbpsbench.annotations import read_annotations, write_annotations
from tbpsbench.errors import CheckpointError, DataError
from tbpsbench.files import sha256_file
from tbpsbench.leaderboard.verify.record import verify

from ..factory import edit, imagine, make, places, read, unchecked


def test_swapped_checkpoint_is_found(runs, run):
    shutil.copy(runs / "last" / "last.pth", runs / "val" / "best.pth")
    assert "checkpoint.sha256" in places(verify(run))
    found = verify(runs / "last" / "record", checkpoint=runs / "test" / "best.pth")
    assert "checkpoint.sha256" in places(found)


def test_swapped_checkpoint_with_its_hash_is_found_by_what_it_holds(runs, run):
    shutil.copy(runs / "test" / "best.pth", runs / "val" / "best.pth")
    other = read(runs / "test" / "record")["checkpoint"]
    edit(run, lambda r: r.update(checkpoint=other))
    assert "config.evaluation.selection" in places(verify(run))


def test_named_checkpoint_that_is_missing_is_an_error(run):
    with pytest.raises(CheckpointError, match="no such file"):
        verify(run, checkpoint=Path("gone.pth"))


def test_weights_alone_leave_their_story_unchecked(runs, run):
    torch.save({"state_dict": {}}, runs / "val" / "best.pth")
    path = runs / "val" / "best.pth"
    edit(run, lambda r: r.update(checkpoint={"sha256": sha256_file(path), "bytes": path.stat().st_size}))
    found = verify(run)
    assert found.ok, found.report()
    assert "within the checkpoint" in unchecked(found)


@pytest.fixture
def other_data(whole, tmp_path):
    """The same data set with one caption changed."""
    folder = tmp_path / "other" / "default-0"
    shutil.copytree(whole / "data" / "default-0", folder)
    text = (folder / "human.jsonl").read_text()
    (folder / "human.jsonl").write_text(text.replace("caption 0 of image 0 of person 20", "another caption"))
    return tmp_path / "other"


@pytest.mark.parametrize("key", ["notes", "made_from", "source"])
def test_what_a_file_says_of_itself_cannot_be_edited_away(run, whole, key):
    """Badges are read from it."""
    edit(run, lambda r: r["data"]["sources"][-1].update({key: {"a": 1} if key != "source" else "people"}))
    role = read(run)["data"]["sources"][-1]["role"]
    assert f"data.sources.{role}.{key}" in places(verify(run, data=whole / "data"))
    assert f"data.sources.{role}" in places(verify(run, data=None))  # the checkpoint beside it tells


def test_other_annotation_file_is_found(run, other_data):
    found = verify(run, data=other_data)
    assert "data.sources.captions" in places(found)
    assert "leak guard" in unchecked(found)


def test_named_data_that_are_missing_are_an_error(run, tmp_path):
    with pytest.raises(DataError, match=r"contains none of human\.jsonl"):
        verify(run, data=tmp_path)


def as_validation(record, *, everything=False):
    record["selection"]["rule"] = "val"
    if everything:
        record["config"]["evaluation"]["selection"] = "val"


def test_selection_on_test_declared_as_validation_is_found(runs):
    run = runs / "test" / "record"
    edit(run, as_validation)
    assert {"selection.rule", "selection.split", "selection.test_evaluations"} <= set(places(verify(run)).split())


@pytest.mark.parametrize(
    ("more", "place"),
    [
        ({}, "selection.split"),
        ({"split": "val"}, "selection.queries"),
        ({"split": "val", "queries": 48}, "selection.test_evaluations"),
        ({"split": "val", "queries": 48, "test_evaluations": 1}, "selection.history"),
    ],
)
def test_selection_on_test_is_found_however_much_is_edited(runs, tmp_path, more, place):
    """Config and hashes are edited, too, and no checkpoint is at hand: counts and history tell."""
    run = shutil.copytree(runs / "test" / "record", tmp_path / "alone")
    edit(run, lambda r: (as_validation(r, everything=True), r["selection"].update(more)), hashes=True)
    found = verify(run, data=None)
    assert "config_sha256" not in places(found)
    assert place in places(found)


def test_selection_on_test_is_found_in_the_checkpoint(runs):
    run = runs / "test" / "record"
    more = {"split": "val", "queries": 48, "test_evaluations": 1}
    edit(run, lambda r: (as_validation(r, everything=True), r["selection"].update(more)), hashes=True)
    found = verify(run)
    assert "config.evaluation.selection" in places(found)
    assert "those of the test split, every one of them" in found.report()


def test_recall_that_is_no_share_of_the_validation_queries_is_found(tmp_path):
    options = ("evaluation.metric='R@1'",)
    run = make(tmp_path / "run", imagine(tmp_path / "data"), options=options)
    assert verify(run, data=None).ok
    edit(run, lambda r: [row.update(score=row["score"] + 0.7) for row in (*r["selection"]["history"], r["selection"])])
    assert "is no share of 48 queries" in verify(run, data=None).report()


def test_leaked_gallery_text_is_found_in_the_annotations(tmp_path):
    """The record was made while the guard was off, and does not say so."""
    imagined = imagine(tmp_path / "data")
    path = imagined.folder / "told.jsonl"
    told, human = read_annotations(path), read_annotations(imagined.human)
    records = list(told.records)
    text = human.records[-1].captions[0].text.upper()
    spoilt = replace(records[-1].captions[0], text=text)
    records[-1] = replace(records[-1], captions=(spoilt,))
    write_annotations(path, "MiniPEDES", "told", records, made_from={"mllm": "none"})
    texts = "evaluation.gallery_texts=told"
    found = verify(make(tmp_path / "run", imagined, options=(texts,)))
    assert places(found) == "leaks"
    assert "gallery text equals a test query" in found.report()
    # Named, it is a badge and not a lie.
    honest = make(tmp_path / "honest", imagined, options=(texts, "evaluation.allow_leak=True"), leak=True)
    kind = "gallery text equals a test query (1 texts): ..."
    edit(honest, lambda r: r.update(leaks=[kind]))
    assert verify(honest).ok
