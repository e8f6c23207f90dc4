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


def test_refused_config_leaves_no_folder_behind(tmp_path):
    workdir = WorkDir(tmp_path / "run")
    with pytest.raises(ConfigError), undo_if_refused(workdir):
        raise ConfigError("wrong")
    assert not (tmp_path / "run").exists()
