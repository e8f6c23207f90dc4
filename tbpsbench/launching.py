"""Commands at several places at once: processes of this machine, tasks of a Ray cluster, jobs of Slurm.

A command runs in the folder from which it was launched, which all machines must see. On this machine and on Ray it ends
with what launched it; Ray starts it again when its machine is lost.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import TypeAlias

from tbpsbench.errors import ConfigError
from tbpsbench.files import storage_error
from tbpsbench.processes import child_environment

Command: TypeAlias = Sequence[str]
CLUSTERS = ("slurm", "local")


def on_this_machine(commands: Sequence[Command]) -> list[int]:
    """Run them side by side; returns their exit codes. What they print appears as it comes."""
    running = [subprocess.Popen(command, env=child_environment()) for command in commands]
    return [process.wait() for process in running]


def on_ray(commands: Sequence[Command]) -> list[tuple[int, str]]:
    """Run each as a task of the cluster that RAY_ADDRESS names, else of a local one: exit codes, and what they printed.

    Raises:
        ConfigError: if Ray is not installed.
    """
    try:
        import ray
    except ImportError:
        raise ConfigError("--launcher ray needs Ray: pip install 'tbpsbench[cluster]'") from None
    ray.init(ignore_reinit_error=True, log_to_driver=True)
    remote = ray.remote(num_cpus=1, max_retries=-1)(_there)
    found: list[tuple[int, str]] = ray.get([remote.remote(tuple(command), Path.cwd()) for command in commands])
    return found


def on_slurm(commands: Sequence[Command], logs: Path, options: Sequence[str] = ()) -> list[str]:
    """Submit each as a job through submitit; returns the jobs' numbers.

    A job fails where its command does. What the command prints is in the job's own files, `logs`/NUMBER_0_log.out and
    .err.

    Args:
        commands: what is run.
        logs: folder for the jobs' output.
        options: "KEY=VALUE" parameters of submitit, e.g. "slurm_partition=gpu", "timeout_min=600", or "cluster=local".

    Raises:
        ConfigError: if an option is wrong, submitit is not installed, or Slurm is not there or takes no such job.
        StorageError: if `logs` cannot be written.
    """
    parameters = dict(map(_option, options))
    try:
        import submitit
    except ImportError:
        raise ConfigError("--launcher slurm needs submitit: pip install 'tbpsbench[cluster]'") from None
    cluster = parameters.pop("cluster", "slurm")
    if cluster not in CLUSTERS:
        raise ConfigError(f"--slurm cluster={cluster}: choose one of {', '.join(CLUSTERS)}")
    try:
        executor = submitit.AutoExecutor(folder=logs, cluster=str(cluster))
    except OSError as error:
        raise storage_error(logs, error) from error
    except RuntimeError as error:
        raise ConfigError(
            f"--launcher slurm: {error} Start it where Slurm is, or try jobs on this machine: --slurm cluster=local"
        ) from None
    try:
        executor.update_parameters(**parameters)
        with executor.batch():
            jobs = [executor.submit(_job, tuple(command), Path.cwd()) for command in commands]
    except OSError as error:
        raise storage_error(logs, error) from error
    # What submitit and sbatch raise of an option that they do not take.
    except (NameError, AssertionError, TypeError, ValueError, RuntimeError) as error:
        raise ConfigError(f"--slurm {' '.join(options) or 'KEY=VALUE'}: {error}") from None
    return [job.job_id for job in jobs]


def _option(text: str) -> tuple[str, str | int | float | bool]:
    """A parameter of submitit, which checks types: numbers and True or False are such, all else is a text."""
    key, equals, value = text.partition("=")
    if not equals or not key or not value:
        raise ConfigError(f"--slurm takes KEY=VALUE, e.g. slurm_partition=gpu; got {text!r}")
    if value in ("True", "False"):
        return key, value == "True"
    if re.fullmatch(r"[0-9]{1,18}", value):
        return key, int(value)
    return key, float(value) if re.fullmatch(r"[0-9]{1,18}\.[0-9]{1,18}", value) else value


def _job(command: Command, folder: Path) -> None:
    """Run a command as a job: it prints where the job prints, and the job fails with it.

    Raises:
        CalledProcessError: if it ends with another code than 0.
    """
    subprocess.run(command, cwd=folder, env=child_environment(), check=True)


def _there(command: Command, folder: Path) -> tuple[int, str]:
    """Run a command on another machine, in the folder that relative paths start from."""
    finished = subprocess.run(command, cwd=folder, capture_output=True, text=True, env=child_environment())
    return finished.returncode, finished.stdout + finished.stderr
