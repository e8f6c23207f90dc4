"""Workers of a suite: shared work, killed workers, failing entries. Real training on tiny MiniPEDES."""

import os
import random
import subprocess
import sys
import time
import uuid

import pytest
from survivors import alive, marked, orphans

from tbpsbench.engine.workdir import LOCK
from tbpsbench.errors import RegistryError, StorageError, TBPSError
from tbpsbench.leaderboard.suite import run
from tbpsbench.leaderboard.suite.read import read_suite
from tbpsbench.leaderboard.suite.run import RunError, run_on_ray, run_on_slurm, run_suite, run_workers
from tbpsbench.leaderboard.suite.work import TooLateError, work
from tbpsbench.locking import exclusive
from tbpsbench.records.read import read_records

KILLS = 10


def results(records):
    """What must not depend on how the work was done: everything but cost, date and the machine."""
    return {
        folder: (record["results"], record["evidence"], record["seed"], record["spec"], record["selection"])
        for folder, record in read_records(records)
    }


def worker(path, folder):
    command = [sys.executable, "-m", "tbpsbench.leaderboard.suite.run", path, folder / "records", folder / "work"]
    return subprocess.Popen(
        list(map(str, command)), stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip


@pytest.mark.slow
def test_workers_killed_at_random_leave_the_scores_of_an_undisturbed_run(suite, tmp_path):
    path = suite(epochs=3)
    assert run_suite(path, tmp_path / "whole" / "records", tmp_path / "whole" / "work", lambda _: None) == 2
    whole, chance = results(tmp_path / "whole" / "records"), random.Random(7)
    assert len(whole) == 2
    killed, folder = 0, tmp_path / "killed"
    while killed < KILLS:
        process = worker(path, folder)
        time.sleep(chance.uniform(0.2, 8.0))
        if process.poll() is None:
            process.kill()  # it alone: the task that it started ends with it
        process.communicate()
        killed += 1
    process = worker(path, folder)
    out = process.communicate(timeout=240)[0].decode()
    assert process.returncode == 0, out
    assert results(folder / "records") == whole


@pytest.mark.slow
def test_workers_tasks_and_loaders_end_with_a_killed_launcher(suite, tmp_path):
    path, mark = suite(epochs=50, options=["data.num_workers=1"]), uuid.uuid4().hex
    places = ["--records", str(tmp_path / "records"), "--work", str(tmp_path / "work"), "--workers", "2"]
    command = [sys.executable, "tools/leaderboard.py", "run", str(path), *places]
    launcher = subprocess.Popen(command, env=marked(mark), stdout=subprocess.DEVNULL)
    while len(list(tmp_path.glob("work/**/last.pth"))) < 2:
        assert launcher.poll() is None
        time.sleep(0.1)
    assert len(alive(mark)) >= 5
    launcher.kill()
    launcher.wait()
    assert orphans(mark) == {}


@pytest.mark.slow
def test_two_workers_share_the_work_and_a_third_finds_nothing_to_do(suite, tmp_path):
    path = suite(seeds=(0, 1))
    run_workers(path, tmp_path / "records", tmp_path / "work", 2)
    found = results(tmp_path / "records")
    assert {(value[2]) for value in found.values()} == {0, 1}
    assert len(found) == 4
    assert run_suite(path, tmp_path / "records", tmp_path / "work", lambda _: None) == 0


@pytest.mark.slow
def test_trained_model_is_also_tested_on_other_data(suite, tmp_path, mini):
    path = suite(entries=("a",), transfer={"indoor": ["data.dataset.domain=indoor"]})
    run_suite(path, tmp_path / "records", tmp_path / "work", lambda _: None)
    specs = {record["spec"]["data"]: record for _, record in read_records(tmp_path / "records")}
    assert set(specs) == {"MiniPEDES (tiny)", "MiniPEDES (indoor, tiny)"}
    away = specs["MiniPEDES (indoor, tiny)"]
    assert away["spec"]["trained_on"] == "MiniPEDES (tiny)"
    assert away["data"]["component"]["domain"] == "indoor"
    assert away["data"]["tokenizer_sha256"] == specs["MiniPEDES (tiny)"]["data"]["tokenizer_sha256"]
    assert away["system_sha256"] == specs["MiniPEDES (tiny)"]["system_sha256"]
    assert away["results"] != specs["MiniPEDES (tiny)"]["results"]


@pytest.mark.slow
def test_failing_entry_does_not_stop_the_others_and_is_named(suite, tmp_path):
    path = suite(options=["evaluation.skip_unmatched=False", "data.noise=missing.npy"], entries=("a",))
    with pytest.raises(RunError, match=r"1 of 1 runs failed(?s:.)*a, seed 0(?s:.)*missing\.npy: no such file"):
        run_suite(path, tmp_path / "records", tmp_path / "work", lambda _: None)
    assert not (tmp_path / "records").exists()


@pytest.mark.slow
def test_ray_spreads_a_suite_over_a_cluster_that_it_starts(suite, tmp_path):
    ray = pytest.importorskip("ray", reason="Ray is in the extra 'cluster'")
    path = suite()
    try:
        run_on_ray(path, tmp_path / "records", tmp_path / "work", 2)
    finally:
        ray.shutdown()
    assert len(results(tmp_path / "records")) == 2


@pytest.mark.slow
def test_slurm_jobs_do_the_work(suite, tmp_path):
    submitit = pytest.importorskip("submitit", reason="submitit is in the extra 'cluster'")
    path = suite(entries=("a",))
    jobs = run_on_slurm(path, tmp_path / "records", tmp_path / "work", 1, ["cluster=local", "timeout_min=5"])
    job = submitit.local.local.LocalJob(tmp_path / "work" / "slurm", jobs[0])
    deadline = time.monotonic() + 300
    while not job.paths.result_pickle.exists() and time.monotonic() < deadline:
        time.sleep(0.2)  # a handle made from the number alone cannot tell a running local job from a lost one
    assert job.exception() is None, job.stderr()
    assert "done in" in job.stdout()
    assert len(results(tmp_path / "records")) == 1


def test_slurm_option_without_value_is_refused(suite, tmp_path):
    pytest.importorskip("submitit", reason="submitit is in the extra 'cluster'")
    with pytest.raises(TBPSError, match="KEY=VALUE"):
        run_on_slurm(suite(), tmp_path / "records", tmp_path / "work", 1, ["partition"])


def test_wrong_suite_is_refused_by_every_launcher(suite, tmp_path):
    path = suite()
    path.write_text(path.read_text().replace("lr=", "lrr="))
    for launch in (run_suite, lambda *a: run_workers(*a, 1), lambda *a: run_on_ray(*a, 1)):
        with pytest.raises((TBPSError, RegistryError), match="Did you mean 'lr'"):
            launch(path, tmp_path / "records", tmp_path / "work")


@pytest.fixture
def stand_in(monkeypatch):
    """Stands in for training of one task: how often it was tried, and the codes that it is to end with."""
    tried, codes = [], []

    def work(_path, number, _records, _folder):
        tried.append(number)
        return codes.pop(0)

    monkeypatch.setattr(run, "_work", work)
    monkeypatch.setattr(run, "all_there", lambda _wanted, _there: bool(tried) and not codes)
    monkeypatch.setattr(run, "WAIT_SECONDS", 0.01)
    return tried, codes


def test_a_worker_that_came_too_late_counts_no_failure(suite, tmp_path, stand_in):
    path, said, (tried, codes) = suite(entries=("a",)), [], stand_in
    codes += [TooLateError.exit_code, 0]
    assert run_suite(path, tmp_path / "records", tmp_path / "work", said.append) == 1
    assert tried == [0, 0]
    assert any("another process works on it" in line for line in said)
    assert not any("FAILED" in line for line in said)


def test_a_task_in_whose_folder_somebody_trains_ends_with_a_code_of_its_own(suite, tmp_path):
    task = read_suite(suite(entries=("a",)))[0]
    with exclusive(tmp_path / "run" / LOCK), pytest.raises(TooLateError, match="another process is training here"):
        work(task, tmp_path / "records", tmp_path / "run")


def test_a_run_that_ends_well_without_its_record_has_failed(suite, tmp_path, monkeypatch):
    monkeypatch.setattr(run, "_work", lambda *_: 0)
    with pytest.raises(RunError, match=r"1 of 1 runs failed(?s:.)*a, seed 0:\n  it ended well, but did not leave"):
        run_suite(suite(entries=("a",)), tmp_path / "records", tmp_path / "work", lambda _: None)


def test_a_failing_run_is_tried_once_in_a_launch_and_again_in_the_next(suite, tmp_path, monkeypatch):
    path, tried, said = suite(), [], []
    monkeypatch.setattr(run, "_work", lambda _path, number, *_: tried.append(number) or 3)
    places = (path, tmp_path / "records", tmp_path / "work")
    with pytest.raises(RunError, match="2 of 2 runs failed"):
        run_suite(*places, lambda _: None, "first")
    assert run_suite(*places, said.append, "first") == 0  # another worker: it has failed at nothing
    assert tried == [0, 1]
    assert sum("failed at another worker, see" in line for line in said) == 2
    with pytest.raises(RunError, match="2 of 2 runs failed"):
        run_suite(*places, lambda _: None, "second")
    assert tried == [0, 1, 0, 1]


@pytest.mark.slow
def test_workers_report_a_failed_run_once(suite, tmp_path, capfd):
    path = suite(entries=("a",), options=["optimizer.lr=1e30", "schedule.max_epochs=3"])
    path.write_text(path.read_text().replace("['optimizer.lr=0.001']", "[]"))
    with pytest.raises(
        RunError, match=r"1 of 1 runs failed \(exit codes of the workers: .*\)\n  a on mini, seed 0: see "
    ):
        run_workers(path, tmp_path / "records", tmp_path / "work", 2)
    told = "".join(capfd.readouterr())
    assert told.count("FAILED") == 1
    assert told.count("a, seed 0:") == 1
    assert (next(tmp_path.glob("work/*/*")) / run.LOG).read_text().count("error:") == 1


@pytest.mark.parametrize("workers", [0, -1])
@pytest.mark.parametrize("launcher", ["local", "ray", "slurm"])
def test_fewer_workers_than_one_are_refused(suite, tmp_path, tool, launcher, workers):
    places = ["--records", tmp_path / "records", "--work", tmp_path / "work"]
    code, out, err = tool("leaderboard", "run", suite(), *places, "--launcher", launcher, "--workers", workers)
    assert (code, out) == (2, "")
    assert f"--workers {workers}: must be at least 1" in err


def test_workers_that_end_well_without_the_records_are_no_success(suite, tmp_path, tool, monkeypatch):
    monkeypatch.setattr(run, "on_this_machine", lambda commands: [0 for _ in commands])
    places = ["--records", tmp_path / "records", "--work", tmp_path / "work"]
    code, out, err = tool("leaderboard", "run", suite(), *places, "--workers", 2)
    assert code == 1
    assert "has its records" not in out
    assert "2 of 2 runs failed (exit codes of the workers: 0, 0)" in err
    assert "b on mini, seed 0: not started" in err


def test_options_of_slurm_for_another_launcher_are_refused(suite, tmp_path, tool):
    code, _, err = tool("leaderboard", "run", suite(), "--work", tmp_path / "work", "--slurm", "timeout_min=5")
    assert code == 2
    assert "--slurm timeout_min=5: is for --launcher slurm" in err


@pytest.mark.parametrize("bad", ["records", "work"])
@pytest.mark.parametrize("workers", [1, 2])
def test_folders_that_cannot_be_written_are_refused_before_anything_is_trained(
    suite, tmp_path, monkeypatch, bad, workers
):
    monkeypatch.setattr(run, "_work", lambda *_: pytest.fail("trained"))
    monkeypatch.setattr(run, "on_this_machine", lambda *_: pytest.fail("started"))
    (tmp_path / bad).write_text("a file")
    launch = (lambda *places: run_workers(*places, 2)) if workers == 2 else run_suite
    with pytest.raises(StorageError, match=f"cannot write .*{bad}: Not a directory"):
        launch(suite(), tmp_path / "records", tmp_path / "work")
