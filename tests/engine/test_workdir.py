import errno
import fcntl
import subprocess
import sys
from pathlib import Path

import pytest

from tbpsbench.engine.workdir import WorkDir, undo_if_refused
from tbpsbench.errors import CheckpointError, ConfigError


def test_resume_needs_a_run_unless_it_may_start_one(tmp_path):
    with pytest.raises(CheckpointError, match="nothing to resume"):
        WorkDir(tmp_path / "none", resume="yes")
    assert not (tmp_path / "none").exists()
    assert WorkDir(tmp_path / "new", resume="auto").fresh


@pytest.mark.parametrize(
    ("resume", "meant"), [(False, "'no'"), (None, "'no'"), (True, "'yes'"), ("never", None), (0, None), ([], None)]
)
def test_another_word_for_resume_is_refused_and_nothing_is_gone_on_with(tmp_path, resume, meant):
    WorkDir(tmp_path / "run").release()
    message = r"expected 'no' for a new run, 'yes' to .*, or 'auto' to do so if there is one"
    with pytest.raises(ConfigError, match=message + (rf" \(here {meant}\)" if meant else "$")):
        WorkDir(tmp_path / "run", resume=resume)
    WorkDir(tmp_path / "run", resume="yes").release()


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


def files(folder):
    """Everything below a folder, and what the files hold."""
    return {path.relative_to(folder): path.is_file() and path.read_bytes() for path in folder.rglob("*")}


@pytest.fixture(params=["best.pth", "config.py", "logs/mine.txt", "record/record.json"])
def used(request, tmp_path):
    """A folder with a file that no run of ours has made, and another that no run would touch."""
    for name in (request.param, ".mine.tmp"):
        (tmp_path / "used" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "used" / name).write_text("mine")
    return tmp_path / "used"


@pytest.mark.parametrize("resume", ["no", "auto", "yes"])
def test_files_that_a_run_would_write_over_are_told_and_left_alone(used, resume):
    before = files(used)
    with pytest.raises(CheckpointError, match="nothing to resume" if resume == "yes" else r"holds no run, but \w+"):
        WorkDir(used, resume=resume)
    assert files(used) == before


def test_overwritten_files_are_there_again_where_the_new_run_is_refused(used):
    before = files(used)
    workdir = WorkDir(used, overwrite=True)
    (used / "config.py").write_text("new = 1")
    (used / "logs").mkdir()
    (used / "logs" / "new.txt").touch()
    fails(workdir, ConfigError)
    assert files(used) == before


def test_a_kill_while_files_are_set_aside_loses_none(used):
    before = files(used)
    (used / ".replaced").mkdir()
    for path in [path for path in used.iterdir() if not path.name.startswith(".")]:
        path.rename(used / ".replaced" / path.name)
    with pytest.raises(CheckpointError, match="holds no run"):
        WorkDir(used)
    assert files(used) == before


def test_an_empty_folder_is_no_hindrance_and_stays_where_the_run_is_refused(tmp_path):
    (tmp_path / "run" / "logs").mkdir(parents=True)
    before = files(tmp_path)
    workdir = WorkDir(tmp_path / "run")
    (tmp_path / "run" / "logs" / "today").mkdir()
    fails(workdir, ConfigError)
    assert files(tmp_path) == before


def test_the_folder_that_one_is_in_must_be_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(CheckpointError, match="name is empty"):
        WorkDir("")
    assert WorkDir(".").fresh


@pytest.mark.parametrize("left", [".lock", ".lock.holder", ".run.json.tmp"])
def test_a_run_killed_before_its_card_was_written_can_be_started_again(tmp_path, left):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / left).touch()
    WorkDir(tmp_path / "run", resume="auto").release()
    assert not list((tmp_path / "run").glob(".*.tmp"))


def test_a_kill_while_a_refused_run_is_deleted_leaves_what_can_be_restarted(tmp_path, monkeypatch):
    finished(tmp_path / "run")
    workdir = WorkDir(tmp_path / "run", overwrite=True)
    (tmp_path / "run" / "logs").mkdir()
    (tmp_path / "run" / "config.py").touch()
    monkeypatch.setattr(Path, "unlink", kill)
    with pytest.raises(Killed):
        workdir.undo()
    monkeypatch.undo()
    workdir.release()
    assert not WorkDir(tmp_path / "run", resume="auto").fresh


class Killed(BaseException):
    pass


def kill(*_, **__):
    raise Killed


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
