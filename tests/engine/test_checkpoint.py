import errno
import os
import pickle
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from tbpsbench.config.flat import canonical
from tbpsbench.config.load import load_config
from tbpsbench.engine.checkpoint import Checkpointer
from tbpsbench.engine.guard import guard_resume
from tbpsbench.engine.run import build_run
from tbpsbench.errors import CheckpointError, StorageError
from tbpsbench.weights.checkpoint import save
from tbpsbench.weights.files import read_state_dict
from tbpsbench.weights.load import load_into


def load_model(model, path, partial=False):
    return load_into(model, read_state_dict(path), source=str(path), partial=partial)


class Boom:
    """What an attacker would put into a checkpoint."""

    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return os.mkdir, (str(self.marker),)


def test_saved_checkpoint_reads_back_without_executing_anything(tmp_path):
    save({"state_dict": {"weight": torch.ones(2)}, "tbpsbench": {"best": {"epoch": 1}}}, tmp_path / "last.pth")
    assert torch.load(tmp_path / "last.pth", weights_only=True)["tbpsbench"]["best"] == {"epoch": 1}


def test_full_disk_leaves_the_old_checkpoint_and_no_half_one(tmp_path, monkeypatch):
    path = tmp_path / "last.pth"
    save({"state_dict": {"weight": torch.ones(2)}}, path)
    before = path.read_bytes()

    def full(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StorageError, match=r"last\.pth: the disk is full") as error:
        save({"state_dict": {"weight": torch.zeros(2)}}, path)
    assert error.value.exit_code == 1
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["last.pth"]


def test_no_permission_is_said_plainly(tmp_path, monkeypatch):
    def refuse(*args, **kwargs):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(StorageError, match="no permission: choose a folder that you may write to"):
        save({}, tmp_path / "last.pth")


def test_checkpoint_of_another_model_is_refused_key_by_key(tmp_path):
    save(
        {"state_dict": {"weight": torch.ones(2, 5), "extra": torch.ones(1), "bias": torch.ones(2)}}, tmp_path / "x.pth"
    )
    model = nn.Linear(4, 2)
    before = model.weight.detach().clone()
    with pytest.raises(CheckpointError) as error:
        load_model(model, tmp_path / "x.pth")
    assert "weight: [2, 5] in the file, [2, 4] in the model" in str(error.value)
    assert "extra" in str(error.value)
    torch.testing.assert_close(model.weight, before)


def test_partial_loading_on_request_reports_what_did_not_fit(tmp_path):
    save({"state_dict": {"bias": torch.full((2,), 7.0)}}, tmp_path / "x.pth")
    model = nn.Linear(4, 2)
    report = load_model(model, tmp_path / "x.pth", partial=True)
    assert report.missing == ("weight",)
    assert model.bias.tolist() == [7.0, 7.0]


def test_pickle_with_code_is_refused_and_the_code_not_run(tmp_path):
    marker, path = tmp_path / "executed", tmp_path / "evil.pth"
    path.write_bytes(pickle.dumps({"state_dict": Boom(marker)}))
    with pytest.raises(CheckpointError):
        load_model(nn.Linear(1, 1), path)
    torch.save({"state_dict": Boom(marker)}, path)
    with pytest.raises(CheckpointError, match="which reading would execute"):
        load_model(nn.Linear(1, 1), path)
    assert not marker.exists()


CONFIG = {"seed": 0, "optimizer": {"lr": 0.1}, "data": {"num_workers": 2}}


def system(config=CONFIG, captions="a" * 64, tokenizer="t" * 64):
    """The part of a system that resuming looks at."""
    return SimpleNamespace(
        config=config,
        trained_on=SimpleNamespace(hashes={"captions": captions}),
        tokenizer=SimpleNamespace(sha256=tokenizer),
    )


def write_run(path):
    data = {"captions": "a" * 64, "tokenizer": "t" * 64}
    save({"state_dict": {}, "tbpsbench": {"config": canonical(CONFIG), "data": data}}, path)


def test_resume_refuses_a_changed_config_and_names_the_keys(tmp_path):
    write_run(tmp_path / "last.pth")
    changed = {**CONFIG, "optimizer": {"lr": 0.5}, "seed": 3}
    with pytest.raises(CheckpointError) as error:
        guard_resume(tmp_path / "last.pth", system(changed), ())
    assert "optimizer.lr: 0.1 -> 0.5" in str(error.value)
    assert "seed: 0 -> 3" in str(error.value)
    guard_resume(tmp_path / "last.pth", system(changed), ("optimizer", "seed"))


def test_resume_refuses_other_annotations(tmp_path):
    write_run(tmp_path / "last.pth")
    with pytest.raises(CheckpointError, match="annotations captions: aaaaaaaaaaaa -> bbbbbbbbbbbb"):
        guard_resume(tmp_path / "last.pth", system(captions="b" * 64), ())
    with pytest.raises(CheckpointError, match="annotations tokenizer: tttttttttttt -> uuuuuuuuuuuu"):
        guard_resume(tmp_path / "last.pth", system(tokenizer="u" * 64), ())


def test_resume_lets_pass_what_changes_no_number(tmp_path):
    write_run(tmp_path / "last.pth")
    guard_resume(tmp_path / "last.pth", system({**CONFIG, "data": {"num_workers": 0}}), ())


def test_resume_refuses_a_checkpoint_that_is_not_ours(tmp_path):
    save({"state_dict": {}}, tmp_path / "last.pth")
    with pytest.raises(CheckpointError, match=r"not a checkpoint of tools/train\.py"):
        guard_resume(tmp_path / "last.pth", system(), ())


def test_cost_of_a_resumed_run_counts_its_earlier_parts(demo, tmp_path, monkeypatch):
    built = build_run(load_config(demo[0], demo[2:])).system
    runner = SimpleNamespace(model=nn.Linear(1, 1), optim_wrapper=SimpleNamespace(state_dict=dict), iter=1, epoch=1)
    monkeypatch.setattr("tbpsbench.engine.checkpoint.peak_memory", lambda: {"host": 100})
    first = Checkpointer(tmp_path, built, None, {})
    first._save(runner, "last.pth", 1)
    second = Checkpointer(tmp_path, built, None, {})
    monkeypatch.setattr("tbpsbench.engine.checkpoint.peak_memory", lambda: {"host": 7})
    second.after_load_checkpoint(runner, torch.load(tmp_path / "last.pth", weights_only=True))
    assert second.peak_memory == {"host": 100}
    assert second.seconds >= first._seconds_before
    monkeypatch.setattr("tbpsbench.engine.checkpoint.peak_memory", lambda: {"host": 300})
    assert second.peak_memory == {"host": 300}
