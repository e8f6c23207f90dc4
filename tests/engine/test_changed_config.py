"""A run that goes on with another config, which the user allowed: nothing of the two is mixed up."""

import json
import shutil

import pytest
import torch
from runs import assert_equal, train_in

from tbpsbench.engine import checkpoint
from tbpsbench.errors import CheckpointError
from tbpsbench.files import write_json
from tbpsbench.leaderboard.verify.record import verify
from tbpsbench.records.badges import CHANGED, badges_of
from tbpsbench.weights.files import read_checkpoint

MORE = "schedule.max_epochs=4"
FIRST = ("schedule.max_epochs=2", "schedule.type=constant")


@pytest.fixture
def begun(demo, tmp_path):
    """The folder of a run of two epochs, chosen by R@1."""
    train_in(tmp_path / "run", demo, *FIRST, "evaluation.metric=R@1")
    return tmp_path / "run"


def go_on(folder, demo, *options, allow):
    return train_in(folder, demo, *FIRST, "evaluation.metric=R@1", *options, allow=["schedule.max_epochs", *allow])


def test_other_metric_chooses_among_the_epochs_to_come(begun, demo):
    training, record = go_on(begun, demo, MORE, "evaluation.metric=mAP", allow=["evaluation.metric"])
    selection = record["selection"]
    assert selection["metric"] == "mAP"
    assert [row["epoch"] for row in selection["history"]] == [3, 4]
    best = max(selection["history"], key=lambda row: row["score"])
    assert (selection["epoch"], selection["score"]) == (best["epoch"], best["score"])
    chosen = read_checkpoint(begun / "best.pth")
    assert chosen["meta"]["epoch"] == selection["epoch"]
    rows = {row["epoch"]: row for row in read_checkpoint(begun / "last.pth")["tbpsbench"]["history"]}
    assert rows[selection["epoch"]]["mAP"] == selection["score"]
    assert any("chosen among those to come" in note for note in training.notes)


def test_change_that_leaves_the_scores_alone_keeps_the_best(begun, demo):
    before = read_checkpoint(begun / "last.pth")["tbpsbench"]
    training, record = go_on(begun, demo, MORE, "model.losses.itc.temperature=0.5", allow=["model.losses"])
    assert [row["epoch"] for row in record["selection"]["history"]] == [1, 2, 3, 4]
    assert record["selection"]["score"] >= before["best"]["score"]
    assert training.notes == []


def test_finished_run_has_nothing_to_choose_by_another_metric(begun, demo):
    before = {name: (begun / name).read_bytes() for name in ("best.pth", "last.pth")}
    with pytest.raises(CheckpointError, match=r"last\.pth: the run is finished, so no epoch can be chosen"):
        go_on(begun, demo, "evaluation.metric=mAP", allow=["evaluation.metric"])
    assert {name: (begun / name).read_bytes() for name in before} == before


def test_last_epoch_in_place_of_the_best_one_names_itself(begun, demo):
    _, record = go_on(begun, demo, MORE, "evaluation.selection=last", allow=["evaluation.selection"])
    assert record["selection"] == {"rule": "last", "epoch": 4, "test_evaluations": 2}
    assert not (begun / "best.pth").exists(), "a reader of the folder would take the old best for the chosen one"


def test_looks_at_the_test_split_are_not_forgotten(demo, tmp_path):
    train_in(tmp_path, demo, *FIRST, "evaluation.selection=test")
    _, record = train_in(tmp_path, demo, *FIRST, MORE, allow=["schedule.max_epochs", "evaluation.selection"])
    assert record["selection"]["rule"] == "val"
    assert record["selection"]["test_evaluations"] == 4


@pytest.mark.parametrize(
    ("options", "allow"),
    [
        ((), []),
        (("evaluation.metric=mAP",), ["evaluation.metric"]),
        (("evaluation.interval=2",), ["evaluation.interval"]),
        (("evaluation.selection=last",), ["evaluation.selection"]),
        (("evaluation.selection=test",), ["evaluation.selection"]),
        (("optimizer.lr=1e-9",), ["optimizer.lr"]),  # the best epoch lies before it
        (("data.captions_per_sample=2", "optimizer.lr=1e-9"), ["data.captions_per_sample", "optimizer.lr"]),
    ],
)
def test_what_was_changed_is_told_and_verified(begun, demo, options, allow):
    """Else a table would say that all epochs were trained by the last config."""
    _, record = go_on(begun, demo, MORE, *options, allow=allow)
    told = {one["key"]: (one["epoch"], one["before"], one["after"]) for one in record["config_changes"]}
    assert told.keys() == {"schedule.max_epochs", *allow}
    assert told["schedule.max_epochs"] == (2, "2", "4")
    assert CHANGED in badges_of(record)
    assert read_checkpoint(begun / "last.pth")["tbpsbench"]["trained_on"]["changes"] == record["config_changes"]
    found = verify(begun / "record")
    assert found.ok, found.report()
    for spoilt in ([], record["config_changes"][:-1], [{**record["config_changes"][0], "epoch": 0}]):
        write_json(begun / "record" / "record.json", {**record, "config_changes": spoilt})
        assert not verify(begun / "record").ok


@pytest.mark.parametrize(
    ("before", "after", "allow"),
    [
        ((), ("evaluation.selection=last",), "evaluation.selection"),
        (("evaluation.selection=last",), ("evaluation.protocols=('standard',)",), "evaluation.protocols"),
    ],
)
def test_a_finished_run_that_is_reported_otherwise_is_verified(demo, tmp_path, before, after, allow):
    train_in(tmp_path / "run", demo, *FIRST, *before)
    _, record = train_in(tmp_path / "run", demo, *FIRST, *before, *after, allow=[allow])
    assert [(one["epoch"], one["key"].startswith(allow)) for one in record["config_changes"]] != []
    found = verify(tmp_path / "run" / "record")
    assert found.ok, found.report()


def test_a_best_epoch_that_was_never_confirmed_is_not_taken_for_the_one_before(demo, tmp_path, monkeypatch):
    """Killed between the two files, and by the new rate the epoch is not the best any more."""
    run, save = tmp_path / "run", checkpoint.save

    def killed(content, path):
        if path.name == "last.pth" and content["meta"]["epoch"] == 3:
            raise KeyboardInterrupt
        save(content, path)

    monkeypatch.setattr(checkpoint, "save", killed)
    with pytest.raises(KeyboardInterrupt):
        train_in(run, demo, MORE, FIRST[1])
    monkeypatch.undo()
    names = [read_checkpoint(run / name)["meta"]["epoch"] for name in ("best.pth", "last.pth")]
    assert names == [3, 2], "the test needs a third epoch that is better"
    older = shutil.copytree(run, tmp_path / "older")
    (older / ".best.pth.before").unlink()
    train_in(older, demo, MORE, FIRST[1])  # a run that an older version left so goes on
    assert verify(older / "record").ok
    lost = (run / ".best.pth.before").read_bytes()
    _, record = train_in(run, demo, MORE, FIRST[1], "optimizer.lr=1e-9", allow=["optimizer.lr"])
    assert record["selection"]["epoch"] == read_checkpoint(run / "best.pth")["meta"]["epoch"] < 3
    assert (run / "best.pth").read_bytes() == lost
    assert not (run / ".best.pth.before").exists()
    assert verify(run / "record").ok


def test_a_best_checkpoint_that_is_gone_is_told_before_training(begun, demo):
    (begun / "best.pth").unlink()
    with pytest.raises(CheckpointError, match=r"best\.pth: is not there, or not the checkpoint of epoch"):
        go_on(begun, demo, MORE, allow=[])


@pytest.mark.parametrize(("interval", "done"), [(4, 1), (2, 3)])
def test_run_cut_to_what_it_has_done_validates_its_last_epoch(demo, tmp_path, monkeypatch, interval, done):
    """Before the first validation there would be no checkpoint to choose, after it the last epoch would not count."""
    options = [f"evaluation.interval={interval}", "schedule.type=constant", f"schedule.max_epochs={done}"]
    _, whole = train_in(tmp_path / "whole", demo, *options)
    save = checkpoint.save

    def save_and_die(content, path):
        save(content, path)
        if content["meta"]["epoch"] == done:
            raise KeyboardInterrupt

    monkeypatch.setattr(checkpoint, "save", save_and_die)
    with pytest.raises(KeyboardInterrupt):
        train_in(tmp_path / "cut", demo, *options[:-1], "schedule.max_epochs=8")
    monkeypatch.undo()
    for _ in range(2):  # the second time there is nothing left to do
        _, cut = train_in(tmp_path / "cut", demo, *options, allow=["schedule.max_epochs"])
        assert [row["epoch"] for row in cut["selection"]["history"]] == ([2, 3] if done == 3 else [1])
        assert (cut["selection"], cut["results"]) == (whole["selection"], whole["results"])
    for name in ("best.pth", "last.pth"):
        one, other = (read_checkpoint(tmp_path / run / name) for run in ("whole", "cut"))
        assert_equal(one["state_dict"], other["state_dict"])
        assert one["tbpsbench"]["best"] == other["tbpsbench"]["best"]
    found = verify(tmp_path / "cut" / "record")
    assert found.ok, found.report()


def test_run_is_not_cut_shorter_than_it_is(begun, demo):
    with pytest.raises(CheckpointError, match=r"has done 2 epochs, schedule\.max_epochs now asks for 1"):
        go_on(begun, demo, "schedule.max_epochs=1", allow=[])


@pytest.mark.parametrize(
    "changed",
    [
        ("optimizer=dict(type='SGD', lr=0.01, momentum=0.9)",),
        ("optimizer=dict(type='Adafactor', lr=0.01)",),
        ("param_groups=None",),
        ("param_groups=dict(type='PatternGroups', rules=[dict(pattern='image_encoder', lr_mult=0.1)])",),
    ],
    ids=["SGD", "Adafactor", "one-group", "other-groups"],
)
def test_other_optimizer_starts_anew_and_says_so(begun, demo, changed):
    training, record = go_on(begun, demo, MORE, *changed, allow=["optimizer", "param_groups"])
    assert record["cost"]["steps"] == 4 * len(training.run.training.loader)
    assert any("the optimizer starts anew" in note for note in training.notes)
    state = read_checkpoint(begun / "last.pth")["optimizer"]
    assert len(state["param_groups"]) == len(training.optimizer.param_groups)
    assert state["param_groups"][0]["lr"] == pytest.approx(training.rates[0])


def test_new_settings_of_the_same_optimizer_hold_and_its_moments_stay(begun, demo):
    before = read_checkpoint(begun / "last.pth")["optimizer"]
    options = ("optimizer.weight_decay=0.07", "optimizer.betas=(0.5, 0.9)")
    training, _ = go_on(begun, demo, *options, allow=["optimizer"])
    groups = training.optimizer.param_groups
    assert {group["betas"] for group in groups} == {(0.5, 0.9)}
    assert 0.07 in {group["weight_decay"] for group in groups}
    moments = [state["exp_avg"] for state in training.optimizer.state_dict()["state"].values()]
    for one, other in zip(moments, [state["exp_avg"] for state in before["state"].values()], strict=True):
        torch.testing.assert_close(one.cpu(), other, rtol=0, atol=0)
    assert training.notes == ["the optimizer keeps its moments and takes the new settings"]


def test_other_optimizer_that_was_not_allowed_is_named(begun, demo, tool):
    options = [*demo[1:], "data.num_workers=0", *FIRST, "evaluation.metric=R@1", "optimizer=dict(type='SGD', lr=0.1)"]
    code, _, err = tool("train", demo[0], "--work-dir", begun, "--resume", *options)
    assert code == 2
    assert "optimizer.type: 'AdamW' -> 'SGD'" in err
    assert "Traceback" not in err
    assert json.loads((begun / "run.json").read_text())["status"] == "finished"
