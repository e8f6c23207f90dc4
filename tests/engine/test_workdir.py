import errno
import fcntl
import subprocess
import sys

import pytest

from tbpsbench.engine.workdir import WorkDir, undo_if_refused
from tbpsbench.errors import CheckpointError, ConfigError


def test_resume_needs_a_run_unless_it_may_start_one(tmp_path):
    with pytest.raises(CheckpointError, match="nothing to resume"):
        WorkDir(tmp_path / "none", resume="yes")
    assert WorkDir(tmp_path / "new", resume="auto").fresh


def test_run_killed_before_its_first_checkpoint_can_be_resumed(tmp_path):
    WorkDir(tmp_path / "run").release()
    again = WorkDir(tmp_path / "run", resume="yes")
    assert not again.fresh
    assert again.last is None


def test_existing_run_is_not_touched_without_being_told(tmp_path):
    first = WorkDir(tmp_path / "run")
    first.release()
    (tmp_path / "run" / "last.pth").write_bytes(b"weights")
    with pytest.raises(CheckpointError, match=r"already holds a run.*--resume.*--overwrite"):
        WorkDir(tmp_path / "run")
    assert (tmp_path / "run" / "last.pth").read_bytes() == b"weights"
    assert WorkDir(tmp_path / "run", overwrite=True).last is None


def test_overwrite_leaves_files_that_are_not_the_runs(tmp_path):
    WorkDir(tmp_path / "run").release()
    (tmp_path / "run" / "notes.txt").write_text("mine")
    WorkDir(tmp_path / "run", overwrite=True)
    assert (tmp_path / "run" / "notes.txt").read_text() == "mine"


def test_two_processes_cannot_train_in_one_folder(tmp_path):
    held = WorkDir(tmp_path / "run")
    code = f"from tbpsbench.engine.workdir import WorkDir; WorkDir({str(tmp_path / 'run')!r}, resume='auto')"
    other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "another process is training here" in other.stderr
    held.release()
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_half_written_checkpoint_of_a_killed_process_is_removed_and_never_taken(tmp_path):
    WorkDir(tmp_path / "run").release()
    (tmp_path / "run" / ".last.pth.x1y2.tmp").write_bytes(b"half")
    again = WorkDir(tmp_path / "run", resume="yes")
    assert again.last is None
    assert not list((tmp_path / "run").glob(".*.tmp"))


def fails(workdir, failure):
    with pytest.raises(failure), undo_if_refused(workdir):
        raise failure("wrong")


@pytest.mark.parametrize("failure", [ConfigError, ZeroDivisionError, KeyboardInterrupt, SystemExit])
def test_whatever_fails_before_the_first_step_leaves_no_folder_behind(tmp_path, failure):
    workdir = WorkDir(tmp_path / "run")
    (workdir.path / "logs").mkdir()
    fails(workdir, failure)
    assert not (tmp_path / "run").exists()
    WorkDir(tmp_path / "run").release()


def test_what_fails_after_the_first_step_leaves_the_run_to_be_resumed(tmp_path):
    workdir = WorkDir(tmp_path / "run")
    workdir.keep()
    fails(workdir, ZeroDivisionError)
    assert not WorkDir(tmp_path / "run", resume="yes").fresh  # and the claim is given up


@pytest.mark.parametrize("failure", [ConfigError, KeyboardInterrupt])
def test_a_run_is_overwritten_only_once_the_new_one_has_made_a_step(tmp_path, failure):
    folder = tmp_path / "run"
    finished(folder)
    workdir = WorkDir(folder, overwrite=True)
    assert workdir.last is None
    fails(workdir, failure)
    assert (folder / "last.pth").read_bytes() == b"weights"
    assert (folder / "record" / "record.json").read_text() == "{}"
    workdir = WorkDir(folder, overwrite=True)
    workdir.keep()
    assert sorted(path.name for path in folder.iterdir()) == [".lock", "run.json"]


def finished(folder):
    WorkDir(folder).release()
    (folder / "last.pth").write_bytes(b"weights")
    (folder / "record").mkdir()
    (folder / "record" / "record.json").write_text("{}")


@pytest.mark.parametrize("moved", [(), ("run.json",), ("run.json", "last.pth")])
def test_a_kill_while_a_run_is_set_aside_loses_nothing(tmp_path, moved):
    folder = tmp_path / "run"
    finished(folder)
    (folder / ".replaced").mkdir()
    for name in moved:
        (folder / name).rename(folder / ".replaced" / name)
    again = WorkDir(folder, resume="yes")
    assert again.last is not None
    assert (folder / "record" / "record.json").exists()


def test_overwriting_what_has_just_been_overwritten_keeps_the_run_that_was_trained(tmp_path):
    folder = tmp_path / "run"
    finished(folder)
    WorkDir(folder, overwrite=True).release()  # as if killed before its first step
    (folder / "config.py").write_text("new = 1")
    fails(WorkDir(folder, overwrite=True), ConfigError)
    assert (folder / "last.pth").read_bytes() == b"weights"
    assert not (folder / "config.py").exists()


def test_without_flock_a_run_can_be_resumed_at_once_and_another_machine_is_named(tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    WorkDir(tmp_path / "run").release()
    held = WorkDir(tmp_path / "run", resume="yes")
    note = tmp_path / "run" / ".lock.holder"
    with pytest.raises(CheckpointError, match=r"another process is training here \(process \d+ on .*delete that file"):
        WorkDir(tmp_path / "run", resume="yes")
    held.release()
    assert not note.exists()
