"""Workers of a suite: any number of processes, on any number of machines that share a folder, take its tasks.

A worker claims a task by a lock in its run folder, which is free again when its holder dies, however it dies. A worker
that finds every open task claimed waits until one is done or free again. One that fails leaves a note there, so that
the other workers of the same launch do not try it again; the next launch does. Nothing else is agreed upon. Whatever is
started here ends with what started it.
"""

from __future__ import annotations

import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tbpsbench.bundle import locate
from tbpsbench.engine.workdir import LOCK
from tbpsbench.errors import ConfigError, DataError, TBPSError
from tbpsbench.files import require_folder, write_json
from tbpsbench.launching import on_ray, on_slurm, on_this_machine
from tbpsbench.leaderboard.suite.order import Order
from tbpsbench.leaderboard.suite.read import not_evaluated, read_suite
from tbpsbench.leaderboard.suite.wanted import all_there, records_there
from tbpsbench.leaderboard.suite.work import TooLateError
from tbpsbench.locking import Lock, is_held
from tbpsbench.processes import child_environment
from tbpsbench.reading import read_json

WAIT_SECONDS = 1.0
LOG = "train.log"
LOG_LINES = 15
# In a run's folder: held by the worker that does the task, and who failed at it last.
CLAIM = "task.lock"
FAILURE = "failed.json"
SLURM_LOGS = "slurm"  # in the folder of all runs: what jobs print

Say = Callable[[str], None]


class RunError(TBPSError):
    """Some tasks of a suite failed; what the others made is kept."""

    exit_code = 1


def run_suite(path: str | Path, records: Path, work: Path, say: Say = print, launch: str | None = None) -> int:
    """Work on a suite until every task has its records, or has failed at a worker of this launch.

    Args:
        path: the suite's file.
        records: root of the records.
        work: root of the runs' folders.
        say: where progress is told.
        launch: names the launch, which other workers may belong to; by default one of this worker alone.

    Returns:
        Number of tasks that this worker did.

    Raises:
        ConfigError: if the suite or one of its configs is wrong; nothing is trained then.
        StorageError: if one of the two folders cannot be written; nothing is trained then.
        RunError: if tasks failed at this worker; all others are done first.
    """
    tasks, launch = read_suite(path), launch or uuid.uuid4().hex
    require_folder(records)
    require_folder(work)
    wanted = [task.wanted() for task in tasks]
    folders = [work / task.suite / task.key for task in tasks]
    names = {one.identity[0] for task in wanted for one in task}
    for line in not_evaluated(tasks):
        say(line)
    order = Order.of(tasks, folders)
    done, failed, failed_elsewhere = set[int](), dict[int, str](), set[int]()

    def missing(number: int) -> bool:
        return not all_there(wanted[number], records_there(records, names))

    def attempt(number: int, needed: bool) -> None:
        """Do a task that is claimed; `needed` for its checkpoint alone, its records are there."""
        task, folder, place = tasks[number], folders[number], f"[{number + 1}/{len(tasks)}]"
        if _has_failed(folder, launch):
            failed_elsewhere.add(number)
            say(f"{place} failed at another worker, see {folder / LOG}")
            return
        (folder / FAILURE).unlink(missing_ok=True)
        say(f"{place} {task.entry} on {task.data}, seed {task.seed}: {folder}")
        started = time.monotonic()
        code = _work(path, number, records, folder)
        if code == TooLateError.exit_code:
            say(f"{place} another process works on it")
        elif code == 0 and (order.is_trained(number) if needed else not missing(number)):
            done.add(number)
            say(f"{place} done in {time.monotonic() - started:.0f} s")
        else:
            why = "" if code else "  it ended well, but did not leave what it is done for\n"
            failed[number] = why + _tail(folder / LOG)
            write_json(folder / FAILURE, {"launch": launch, "code": code})
            say(f"{place} FAILED (exit code {code}), see {folder / LOG}")

    while True:
        there, over = records_there(records, names), {*done, *failed, *failed_elsewhere}
        open_ = [n for n in range(len(tasks)) if n not in over and not all_there(wanted[n], there)]
        if not open_:
            break
        claimed = 0
        for number in order.with_starts(open_):
            start = order.waits_for(number)
            if start in failed:
                failed[number] = f"  its start failed: {tasks[start].entry}, seed {tasks[start].seed}"
            elif start in failed_elsewhere:  # told by the worker at which that one failed
                failed_elsewhere.add(number)
            if start is not None or number in failed or number in failed_elsewhere:
                continue
            with _claimed(folders[number]) as free:
                needed = number not in open_ and not order.is_trained(number)
                if free and (needed or missing(number)):
                    claimed += 1
                    attempt(number, needed)
        if not claimed:
            time.sleep(WAIT_SECONDS)
    if failed:
        listing = "\n\n".join(f"{tasks[n].entry}, seed {tasks[n].seed}:\n{tail}" for n, tail in failed.items())
        raise RunError(f"{path}: {len(failed)} of {len(tasks)} runs failed\n\n{listing}")
    return len(done)


def run_workers(path: str | Path, records: Path, work: Path, workers: int) -> None:
    """Several workers on this machine.

    Raises:
        ConfigError: if the suite or the number of workers is wrong.
        StorageError: if one of the two folders cannot be written.
        RunError: if a run has no records in the end.
    """
    codes = on_this_machine(_commands(path, records, work, workers))
    _require_records(path, records, work, codes)


def run_on_ray(path: str | Path, records: Path, work: Path, workers: int) -> None:
    """Workers on a Ray cluster; a local one starts by itself where none is named by RAY_ADDRESS.

    All machines must see the same folders.

    Raises:
        ConfigError: if the suite or the number of workers is wrong, or ray is not installed.
        StorageError: if one of the two folders cannot be written.
        RunError: if a run has no records in the end.
    """
    answers = on_ray(_commands(locate(path).resolve(), records.resolve(), work.resolve(), workers))
    printed = [text for code, text in answers if code]
    _require_records(path, records, work, [code for code, _ in answers], printed)


def run_on_slurm(path: str | Path, records: Path, work: Path, workers: int, options: Sequence[str] = ()) -> list[str]:
    """Submit workers to Slurm through submitit; returns the numbers of the jobs.

    Args:
        path, records, work, workers: as for `run_workers`; all machines must see the same folders.
        options: of submitit (see `launching.on_slurm`).

    Raises:
        ConfigError: if the suite, the number of workers or an option is wrong, or submitit is not installed.
        StorageError: if one of the two folders cannot be written.
    """
    commands = _commands(locate(path).resolve(), records.resolve(), work.resolve(), workers)
    return on_slurm(commands, work / SLURM_LOGS, options)


def _commands(path: str | Path, records: Path, work: Path, workers: int) -> list[list[str]]:
    """What the workers of a new launch run, after all that can be checked before they start."""
    if workers < 1:
        raise ConfigError(f"--workers {workers}: must be at least 1")
    read_suite(path)
    require_folder(records)
    require_folder(work)
    command = [sys.executable, "-m", "tbpsbench.leaderboard.suite.run"]
    return [[*command, str(path), str(records), str(work), uuid.uuid4().hex]] * workers


def _require_records(
    path: str | Path, records: Path, work: Path, codes: Sequence[int], printed: Sequence[str] = ()
) -> None:
    """What counts is whether the records are there: what one worker leaves, another does.

    Raises:
        RunError: if a run has none; tells how the workers ended, and what those that failed have printed.
    """
    tasks = read_suite(path)
    wanted = [task.wanted() for task in tasks]
    there = records_there(records, {one.identity[0] for task in wanted for one in task})
    left = [task for task, ones in zip(tasks, wanted, strict=True) if not all_there(ones, there)]
    if left:
        logs = [work / task.suite / task.key / LOG for task in left]
        listing = "\n".join(
            f"  {task.entry} on {task.data}, seed {task.seed}: " + (f"see {log}" if log.is_file() else "not started")
            for task, log in zip(left, logs, strict=True)
        )
        raise RunError(
            f"{path}: {len(left)} of {len(tasks)} runs failed (exit codes of the workers: "
            f"{', '.join(map(str, codes))})\n{listing}" + "".join(f"\n\n{text}" for text in printed)
        )


def _work(path: str | Path, number: int, records: Path, folder: Path) -> int:
    """Do one task in a process of its own; its output goes to a log in the run's folder."""
    command = [sys.executable, "-m", "tbpsbench.leaderboard.suite.work", str(path), str(number)]
    with (folder / LOG).open("a") as log:
        return subprocess.run(
            [*command, "--records", str(records), "--work", str(folder)],
            stdout=log,
            stderr=subprocess.STDOUT,
            env=child_environment(),
        ).returncode


@contextmanager
def _claimed(folder: Path) -> Iterator[bool]:
    """Claim a task, if no other worker has and nobody trains in its folder; whether it is ours."""
    lock = Lock(folder / CLAIM)
    try:
        yield lock.acquire(patience=0.0) and not is_held(folder / LOCK)
    finally:
        lock.release()


def _has_failed(folder: Path, launch: str) -> bool:
    """Whether a worker of this launch has failed at a task."""
    try:
        note = read_json(folder / FAILURE)
    except DataError:
        return False
    return isinstance(note, dict) and note.get("launch") == launch


def _tail(log: Path) -> str:
    lines = log.read_text(errors="replace").splitlines() if log.is_file() else []
    return "\n".join(f"  {line}" for line in lines[-LOG_LINES:])


def main() -> int:
    """`python -m tbpsbench.leaderboard.suite.run SUITE RECORDS WORK [LAUNCH]`: one worker."""
    path, records, work, *launch = sys.argv[1:5]
    run_suite(path, Path(records), Path(work), lambda text: print(text, flush=True), *launch)
    return 0


if __name__ == "__main__":
    from tbpsbench.cli import run_tool

    run_tool(main)
