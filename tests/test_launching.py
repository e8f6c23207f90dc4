"""Jobs through submitit, run on this machine: what they print, how they end, and options that it does not take."""

import subprocess
import sys
import time

import pytest

from tbpsbench.errors import ConfigError, StorageError
from tbpsbench.launching import on_slurm

submitit = pytest.importorskip("submitit", reason="submitit is in the extra 'cluster'")


def finished(folder, job):
    handle = submitit.local.local.LocalJob(folder, job)
    deadline = time.monotonic() + 120
    while not handle.paths.result_pickle.exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    return handle


def test_a_job_fails_with_its_command_and_what_it_printed_is_in_its_own_files(tmp_path):
    code = "import sys; print('what it says'); print('what went wrong', file=sys.stderr); sys.exit(int(sys.argv[1]))"
    commands = [[sys.executable, "-c", code, number] for number in "03"]
    good, bad = (finished(tmp_path, job) for job in on_slurm(commands, tmp_path, ["cluster=local"]))
    assert good.exception() is None
    assert "completed successfully" in good.stdout()
    assert "exit status 3" in str(bad.exception())
    assert "completed successfully" not in bad.stdout()
    for job in (good, bad):
        assert "what it says" in job.stdout()
        assert "what went wrong" in job.stderr()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["cluster=local", "nosuch=1"], "--slurm cluster=local nosuch=1: Parameter 'nosuch'"),
        (["cluster=local", "slurm_nosuch=1"], "Unknown argument 'nosuch'"),
        (["cluster=nosuch"], "--slurm cluster=nosuch: choose one of slurm, local"),
        (["cluster=debug"], "--slurm cluster=debug: choose one of slurm, local"),
        (["cluster="], "takes KEY=VALUE.*got 'cluster='"),
        (["cluster=local", "timeout_min=abc"], '"timeout_min" expected type'),
        (["cluster=local", "timeout_min=\u00b2"], '"timeout_min" expected type'),
        (["cluster=local", "timeout_min=" + "9" * 5000], '"timeout_min" expected type'),
        (["cluster=local", "nodes=2"], "--slurm cluster=local nodes=2: LocalExecutor can use only one node"),
    ],
)
def test_a_wrong_option_is_named(tmp_path, options, message):
    with pytest.raises(ConfigError, match=message):
        on_slurm([["true"]], tmp_path, options)


def test_numbers_and_truth_values_have_their_types(tmp_path):
    options = ["cluster=local", "mem_gb=1.5", "timeout_min=5", "stderr_to_stdout=True"]
    (job,) = on_slurm([[sys.executable, "-c", "import sys; print('both', file=sys.stderr)"]], tmp_path, options)
    assert "both" in finished(tmp_path, job).stdout()


def test_where_there_is_no_slurm_it_says_how_to_try_without(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ConfigError, match=r"--launcher slurm: .*srun.*--slurm cluster=local"):
        on_slurm([["true"]], tmp_path)


def test_what_sbatch_refuses_is_said(tmp_path, monkeypatch):
    for name, text in (("srun", "exit 0"), ("sbatch", "echo invalid partition specified: nosuch >&2; exit 1")):
        (tmp_path / name).write_text(f"#!/bin/sh\n{text}\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    subprocess.run(["srun"], check=True)
    with pytest.raises(ConfigError, match=r"(?s)--slurm slurm_partition=nosuch: .*invalid partition specified: nosuch"):
        on_slurm([["true"]], tmp_path / "logs", ["slurm_partition=nosuch"])


def test_a_folder_of_logs_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "logs").write_text("")
    with pytest.raises(StorageError, match=r"cannot write .*logs"):
        on_slurm([["true"]], tmp_path / "logs", ["cluster=local"])
