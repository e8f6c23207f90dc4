"""Commands at several places at once: processes of this machine, tasks of a Ray cluster, jobs of Slurm.

A command runs in the folder from which it was launched, which all machines must see. On this machine and on Ray it ends
with what launched it; Ray starts it again when its machine is lost.
"""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import TypeAlias

from tbpsbench.errors import ConfigError
from tbpsbench.processes import child_environment

Command: TypeAlias = Sequence[str]


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

    Args:
        commands: what is run.
        logs: folder for the jobs' output.
        options: "KEY=VALUE" parameters of submitit, e.g. "slurm_partition=gpu", "timeout_min=600", or "cluster=local".

    Raises:
        ConfigError: if an option is wrong, or submitit is not installed.
    """
    try:
        import submitit
    except ImportError:
        raise ConfigError("--launcher slurm needs submitit: pip install 'tbpsbench[cluster]'") from None
    parameters = dict(_option(text) for text in options)
    executor = submitit.AutoExecutor(folder=logs, cluster=str(parameters.pop("cluster", "slurm")))
    executor.update_parameters(**parameters)
    with executor.batch():
        jobs = [executor.submit(_there, tuple(command), Path.cwd()) for command in commands]
    return [job.job_id for job in jobs]


def _option(text: str) -> tuple[str, str | int]:
    key, equals, value = text.partition("=")
    if not equals or not key:
        raise ConfigError(f"--slurm takes KEY=VALUE, e.g. slurm_partition=gpu; got {text!r}")
    return key, int(value) if value.isdigit() else value


def _there(command: Command, folder: Path) -> tuple[int, str]:
    """Run a command on another machine, in the folder that relative paths start from."""
    finished = subprocess.run(command, cwd=folder, capture_output=True, text=True, env=child_environment())
    return finished.returncode, finished.stdout + finished.stderr
