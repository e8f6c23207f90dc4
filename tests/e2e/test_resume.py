"""kill -9 at any moment, start again with --resume: the bits of an uninterrupted run."""

import os
import subprocess
import sys
import time

import pytest
from same_run import unlike_runs

from tbpsbench.engine.train import train
from tbpsbench.engine.workdir import WorkDir
from tbpsbench.model.person_search import PersonSearchModel

EPOCHS = 4


def start(demo, folder, *more):
    command = [sys.executable, "tools/train.py", demo[0], "--work-dir", str(folder), *more, *demo[1:]]
    command += [f"schedule.max_epochs={EPOCHS}", "model.losses.itc.temperature=0.1"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=environment)


def finish(process):
    out = process.communicate(timeout=240)[0].decode()
    assert process.returncode == 0, out
    return out


def kill_when(process, happened):
    while process.poll() is None:
        if happened():
            process.kill()  # it alone: its loader's workers must neither live on nor keep the folder
            process.communicate()
            return
        time.sleep(0.002)
    raise AssertionError(f"the run ended before it was killed:\n{process.communicate()[0].decode()}")


@pytest.mark.slow
def test_killed_and_resumed_run_equals_an_uninterrupted_one_bit_for_bit(demo, tmp_path):
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    finish(start(demo, whole))
    last, card = killed / "last.pth", killed / "run.json"
    # Other numbers of workers on the way: nothing may depend on them.
    kill_when(start(demo, killed, "--resume", "auto"), card.exists)
    assert not last.exists()
    kill_when(start([*demo, "data.num_workers=1"], killed, "--resume"), last.exists)
    seen = last.stat().st_mtime_ns
    kill_when(start([*demo, "data.num_workers=0"], killed, "--resume"), lambda: last.stat().st_mtime_ns != seen)
    seen = last.stat().st_mtime_ns
    process = start([*demo, "data.num_workers=0"], killed, "--resume")
    kill_when(process, lambda: (killed / "best.pth").stat().st_mtime_ns > seen or last.stat().st_mtime_ns > seen)
    finish(start(demo, killed, "--resume"))
    assert unlike_runs(whole, killed) == []
    assert not list(killed.glob(".*.tmp"))


@pytest.mark.parametrize("failure", [ZeroDivisionError, KeyboardInterrupt])
@pytest.mark.parametrize("at", [1, 2])
def test_a_failure_that_is_not_ours_gives_the_folder_back_until_a_step_is_made(
    demo, tmp_path, monkeypatch, failure, at
):
    plain, calls = PersonSearchModel.forward, []

    def forward(self, *arguments, **options):
        calls.append(1)
        if len(calls) == at:
            raise failure
        return plain(self, *arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(PersonSearchModel, "forward", forward)
        with pytest.raises(failure):
            train(demo[0], tmp_path / "run", demo[2:])
    assert (tmp_path / "run").exists() is (at == 2)
    WorkDir(tmp_path / "run", resume="no" if at == 1 else "yes").release()
