"""Workers of a suite: any number of processes, on any number of machines that share a folder, take its tasks.

A worker claims a task by the lock of its run folder, which is free again when its holder dies, however it dies. Nothing
else is agreed upon: a worker that finds every open task claimed waits until one is done or free again. Whatever is
started here ends with what started it.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from tbpsbench.bundle import locate
from tbpsbench.engine.workdir import LOCK
from tbpsbench.errors import TBPSError
from tbpsbench.launching import on_ray, on_slurm, on_this_machine
from tbpsbench.leaderboard.suite.order import Order
from tbpsbench.leaderboard.suite.read import not_evaluated, read_suite
from tbpsbench.leaderboard.suite.wanted import all_there, records_there
from tbpsbench.locking import is_held
from tbpsbench.processes import child_environment

WAIT_SECONDS = 1.0
LOG = "train.log"
LOG_LINES = 15

Say = Callable[[str], None]


class RunError(TBPSError):
    """Some tasks of a suite failed; what the others made is kept."""

    exit_code = 1


def run_suite(path: str | Path, records: Path, work: Path, say: Say = print) -> int:
    """Work on a suite until every task has its records.

    Args:
        path: the suite's file.
        records: root of the records.
        work: root of the runs' folders.
        say: where progress is told.

    Returns:
        Number of tasks that this worker did.

    Raises:
        ConfigError: if the suite or one of its configs is wrong; nothing is trained then.
        RunError: if tasks failed; all others are done first.
    """
    tasks = read_suite(path)
    wanted = [task.wanted() for task in tasks]
    folders = [work / task.suite / task.key for task in tasks]
    names = {one.identity[0] for task in wanted for one in task}
    for line in not_evaluated(tasks):
        say(line)
    order = Order.of(tasks, folders)
    done, failed = set[int](), dict[int, str]()

    def missing(number: int) -> bool:
        return not all_there(wanted[number], records_there(records, names))

    while True:
        there = records_there(records, names)
        open_ = [n for n in range(len(tasks)) if n not in {*done, *failed} and not all_there(wanted[n], there)]
        if not open_:
            break
        claimed = 0
        for number in order.with_starts(open_):
            start = order.waits_for(number)
            if start in failed:
                failed[number] = f"  its start failed: {tasks[start].entry}, seed {tasks[start].seed}"
            needed = number not in open_ and not order.is_trained(number)
            if number in failed or start is not None or _busy(folders[number]) or not (needed or missing(number)):
                continue
            claimed += 1
            task = tasks[number]
            say(f"[{number + 1}/{len(tasks)}] {task.entry} on {task.data}, seed {task.seed}: {folders[number]}")
            started = time.monotonic()
            code = _work(path, number, records, folders[number])
            if code == 0:
                done.add(number)
                say(f"[{number + 1}/{len(tasks)}] done in {time.monotonic() - started:.0f} s")
            elif _busy(folders[number]) or (order.is_trained(number) if needed else not missing(number)):
                # The other one may have finished while ours was still finding out that it came too late.
                say(f"[{number + 1}/{len(tasks)}] another worker was faster")
            else:
                failed[number] = _tail(folders[number] / LOG)
                say(f"[{number + 1}/{len(tasks)}] FAILED (exit code {code}), see {folders[number] / LOG}")
        if not claimed:
            time.sleep(WAIT_SECONDS)
    if failed:
        listing = "\n\n".join(f"{tasks[n].entry}, seed {tasks[n].seed}:\n{tail}" for n, tail in failed.items())
        raise RunError(f"{path}: {len(failed)} of {len(tasks)} runs failed\n\n{listing}")
    return len(done)


def run_workers(path: str | Path, records: Path, work: Path, workers: int) -> None:
    """Several workers on this machine.

    Raises:
        ConfigError: if the suite is wrong.
        RunError: if a worker failed.
    """
    read_suite(path)
    codes = on_this_machine([_worker(path, records, work)] * workers)
    if any(codes):
        raise RunError(f"{path}: {sum(map(bool, codes))} of {workers} workers failed; see above")


def run_on_ray(path: str | Path, records: Path, work: Path, workers: int) -> None:
    """Workers on a Ray cluster; a local one starts by itself where none is named by RAY_ADDRESS.

    All machines must see the same folders.

    Raises:
        ConfigError: if the suite is wrong, or ray is not installed.
        RunError: if a worker failed.
    """
    read_suite(path)
    command = _worker(locate(path).resolve(), records.resolve(), work.resolve())
    answers = on_ray([command] * workers)
    if failed := [printed for code, printed in answers if code]:
        raise RunError(f"{path}: {len(failed)} of {workers} workers failed\n\n" + "\n\n".join(failed))


def run_on_slurm(path: str | Path, records: Path, work: Path, workers: int, options: Sequence[str] = ()) -> list[str]:
    """Submit workers to Slurm through submitit; returns the numbers of the jobs.

    Args:
        path, records, work, workers: as for `run_workers`; all machines must see the same folders.
        options: of submitit (see `launching.on_slurm`).

    Raises:
        ConfigError: if the suite or an option is wrong, or submitit is not installed.
    """
    read_suite(path)
    command = _worker(locate(path).resolve(), records.resolve(), work.resolve())
    return on_slurm([command] * workers, work / "slurm", options)


def _worker(path: str | Path, records: Path, work: Path) -> list[str]:
    return [sys.executable, "-m", "tbpsbench.leaderboard.suite.run", str(path), str(records), str(work)]


def _work(path: str | Path, number: int, records: Path, folder: Path) -> int:
    """Do one task in a process of its own; its output goes to a log in the run's folder."""
    folder.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "tbpsbench.leaderboard.suite.work", str(path), str(number)]
    with (folder / LOG).open("a") as log:
        return subprocess.run(
            [*command, "--records", str(records), "--work", str(folder)],
            stdout=log,
            stderr=subprocess.STDOUT,
            env=child_environment(),
        ).returncode


def _busy(folder: Path) -> bool:
    """Whether a process works in a run's folder right now."""
    return is_held(folder / LOCK)


def _tail(log: Path) -> str:
    lines = log.read_text(errors="replace").splitlines() if log.is_file() else []
    return "\n".join(f"  {line}" for line in lines[-LOG_LINES:])


def main() -> int:
    """`python -m tbpsbench.leaderboard.suite.run SUITE RECORDS WORK`: one worker."""
    path, records, work = sys.argv[1:4]
    run_suite(path, Path(records), Path(work), lambda text: print(text, flush=True))
    return 0


if __name__ == "__main__":
    from tbpsbench.cli import run_tool

    run_tool(main)
