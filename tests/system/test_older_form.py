"""Checkpoints from before checkpoints held their system: converted with their run's config and data, or refused."""

import json

import pytest
from older_form import write_older

from tbpsbench import load_system
from tbpsbench.engine.convert import convert_checkpoint
from tbpsbench.errors import CheckpointError

from .test_system import record


@pytest.fixture
def older(trained, tmp_path):
    """A run's folder with its checkpoint in the older form: the folder, and the run that it was made from."""

    def make(kind):
        run, folder = trained(kind), tmp_path / "older"
        folder.mkdir()
        write_older(run / "best.pth", folder / "best.pth")
        for name in ("config.py", "run.json"):
            (folder / name).write_bytes((run / name).read_bytes())
        return folder, run

    return make


@pytest.mark.parametrize("kind", ["wordpiece", "bdam"])
def test_an_older_checkpoint_becomes_the_system_that_it_was(older, tool, tmp_path, kind):
    folder, run = older(kind)
    with pytest.raises(CheckpointError, match=r"convert_checkpoint\.py"):
        load_system(folder / "best.pth")
    code, out, err = tool("convert_checkpoint", folder / "config.py", folder / "best.pth", tmp_path / "new.pth")
    assert code == 0, out + err
    new, own = load_system(tmp_path / "new.pth"), load_system(run / "best.pth")
    assert (new.fingerprint, new.name, new.config, new.trained_on) == (
        own.fingerprint, own.name, own.config, own.trained_on
    )  # fmt: skip
    code, _, err = tool("test", tmp_path / "new.pth", "--out", tmp_path / "again")
    assert code == 0, err
    assert record(tmp_path / "again")["results"] == record(run / "record")["results"]


def test_a_config_or_data_that_are_not_the_runs_are_refused(older, tool, tmp_path):
    folder, _ = older("wordpiece")
    arguments = ["convert_checkpoint", folder / "config.py", folder / "best.pth", tmp_path / "new.pth", "--cfg-options"]
    code, _, err = tool(*arguments, "seed=7", "data.dataset.seed=1")
    assert code == 2
    assert "seed: 0 -> 7" in err
    assert "annotations captions" in err
    assert "config.py that stands beside it" in err
    assert not (tmp_path / "new.pth").exists()


def test_what_is_a_system_already_is_not_converted(trained, tmp_path):
    from tbpsbench.config.load import load_config

    run = trained("wordpiece")
    with pytest.raises(CheckpointError, match="is a system already"):
        convert_checkpoint(load_config(run / "config.py"), run / "best.pth", tmp_path / "new.pth")
    assert json.loads((run / "run.json").read_text())["name"] == "two-tower_mini-pedes"
