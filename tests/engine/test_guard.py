"""What else than the config may have changed since a run was broken off: plug-ins and pictures."""

import json
import os
import shutil
from contextlib import contextmanager

import pytest
from runs import train_in

from tbpsbench import plugins
from tbpsbench.config.load import load_config
from tbpsbench.engine.guard import used_plugins
from tbpsbench.engine.hooks import Hook
from tbpsbench.engine.run import build_run
from tbpsbench.engine.train import Training
from tbpsbench.engine.workdir import WorkDir
from tbpsbench.errors import CheckpointError
from tbpsbench.leaderboard.verify.record import verify
from tbpsbench.registry import HOOKS
from tbpsbench.weights.checkpoint import save
from tbpsbench.weights.files import read_checkpoint

FIRST, MORE = "schedule.max_epochs=1", "schedule.max_epochs=2"
CONSTANT = "schedule.type=constant"
LONGER = ["schedule.max_epochs"]


@pytest.fixture
def resumed(demo):
    """Make a run ready that goes on, as far as the first step."""

    @contextmanager
    def ready(folder, *options, allow=()):
        workdir = WorkDir(folder, resume="yes")
        try:
            run = build_run(load_config(demo[0], [*demo[2:], "data.num_workers=0", *options]), folder=folder)
            yield Training(run, workdir, allow_config_change=[*LONGER, *allow])
        finally:
            workdir.release()

    return ready


@pytest.fixture
def plugin(monkeypatch):
    """An installed plug-in with a hook; a test may say its version."""

    @HOOKS.register("Nop")
    class Nop(Hook):
        pass

    plugins.load_all()
    known = plugins.Plugin("mine", "mine", "my-package", "0.1.0", [("HOOKS", "Nop")])
    monkeypatch.setitem(plugins._plugins, ("mine", "my-package", "mine"), known)
    yield known
    HOOKS.remove("Nop")


HOOK = "hooks=dict(nop=dict(type='Nop'))"


def test_another_version_of_a_plug_in_is_told_and_refuses_nothing(plugin, demo, tmp_path):
    run = tmp_path / "run"
    _, first = train_in(run, demo, FIRST, CONSTANT, HOOK)
    assert "config_changes" not in first
    assert read_checkpoint(run / "last.pth")["tbpsbench"]["plugins"]["mine"] == "my-package 0.1.0"
    plugin.version = "0.2.0"
    training, record = train_in(run, demo, MORE, CONSTANT, HOOK, allow=LONGER)
    (told,) = (one for one in record["config_changes"] if one["key"] == "plugins.mine")
    expected = {"epoch": 1, "key": "plugins.mine", "before": '"my-package 0.1.0"', "after": '"my-package 0.2.0"'}
    assert told == expected
    (note,) = training.notes
    assert note == "the plug-in 'mine' was my-package 0.1.0, now it is my-package 0.2.0; the record tells so"
    assert expected in read_checkpoint(run / "last.pth")["tbpsbench"]["trained_on"]["changes"]
    found = verify(run / "record")
    assert found.ok, found.report()
    training, again = train_in(run, demo, MORE, CONSTANT, HOOK)
    assert training.notes == []
    assert again["config_changes"] == record["config_changes"], "each change is told once"


def test_a_plug_in_that_the_config_does_not_use_is_nobodys_concern(plugin, demo, tmp_path, resumed):
    train_in(tmp_path / "run", demo, FIRST)
    plugin.version = "0.2.0"
    with resumed(tmp_path / "run", MORE) as training:
        assert training.notes == []
        assert "mine" not in used_plugins(training.run.system.config)
    assert used_plugins({"plugins": ["mine"]}) == {"mine": "my-package 0.2.0"}, "named is used, whatever of it is"


def test_a_checkpoint_of_before_plug_ins_and_pictures_were_kept_is_resumed(plugin, demo, tmp_path):
    run = tmp_path / "run"
    train_in(run, demo, FIRST, CONSTANT, HOOK)
    for name in ("best.pth", "last.pth"):
        content = read_checkpoint(run / name)
        del content["tbpsbench"]["plugins"], content["tbpsbench"]["data"]["pictures"]
        save(content, run / name)
    plugin.version = "0.2.0"
    training, record = train_in(run, demo, MORE, CONSTANT, HOOK, allow=LONGER)
    assert training.notes == []
    assert [one["key"] for one in record["config_changes"]] == LONGER


@pytest.fixture
def owned(mini, demo, tmp_path):
    """A copy of the data set that a test may change, and a run of one epoch on it."""
    root = tmp_path / "data"
    shutil.copytree(mini, root)
    demo.append(f"data.dataset.root={root}")
    train_in(tmp_path / "run", demo, FIRST, CONSTANT)
    return root


def exchange_pictures(root):
    """Give every picture the content of another one, as a wrong copy of a data set has it."""
    files = sorted((root / "tiny-0" / "images").rglob("*.png"))
    content = [path.read_bytes() for path in files]
    assert len(files) > 10
    for path, data in zip(files, content[1:] + content[:1], strict=True):
        path.write_bytes(data)


def test_a_run_does_not_go_on_with_other_pictures_under_the_same_names(owned, demo, resumed, tmp_path):
    before = {name: (tmp_path / "run" / name).read_bytes() for name in ("best.pth", "last.pth")}
    exchange_pictures(owned)
    message = (
        r"(?s)pictures: [0-9a-f]{12} -> [0-9a-f]{12} .*other files.*another version of Pillow.*--allow-config-change"
    )
    with pytest.raises(CheckpointError, match=message), resumed(tmp_path / "run", MORE):
        pass
    assert {name: (tmp_path / "run" / name).read_bytes() for name in before} == before
    training, record = train_in(tmp_path / "run", demo, MORE, CONSTANT, allow=[*LONGER, "pictures"])
    (told,) = (one for one in record["config_changes"] if one["key"] == "pictures")
    now = read_checkpoint(tmp_path / "run" / "last.pth")["tbpsbench"]["data"]["pictures"]
    assert (told["epoch"], json.loads(told["after"])) == (1, now)
    assert json.loads(told["before"]) != now
    assert [row["epoch"] for row in record["selection"]["history"]] == [2], "scores on other pictures are no rivals"
    assert any("chosen among those to come" in note for note in training.notes)
    found = verify(tmp_path / "run" / "record")
    assert found.ok, found.report()


def test_a_copied_data_set_and_pictures_of_another_size_are_no_other_pictures(owned, demo, resumed, tmp_path):
    copy = tmp_path / "elsewhere"
    shutil.copytree(owned, copy, copy_function=shutil.copyfile, ignore=shutil.ignore_patterns(".cache"))
    for path in copy.rglob("*.png"):
        os.utime(path, (10**9, 10**9))
    moved = f"data.dataset.root={copy}"
    with resumed(tmp_path / "run", MORE, CONSTANT, moved, allow=["data.dataset.root"]) as training:
        assert "pictures" not in [one["key"] for one in training.run.system.trained_on.changes]
    larger = ("data.size=(56, 24)", "model.image_encoder.img_size=(56, 24)")
    with (
        pytest.raises(CheckpointError) as refused,
        resumed(tmp_path / "run", MORE, CONSTANT, *larger, allow=["data.size", "model.image_encoder.img_size"]),
    ):
        pass
    assert "pictures" not in str(refused.value), "only the positions of the encoder do not fit"
