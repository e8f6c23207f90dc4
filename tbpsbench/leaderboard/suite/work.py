"""One task of a suite: train (or go on training), evaluate, put the records where they belong.

    python -m tbpsbench.leaderboard.suite.work SUITE NUMBER --records FOLDER --work FOLDER

A process of its own for every task: its peak memory is the task's, and what crashes takes nothing else along.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Any

from tbpsbench.cli import run_tool
from tbpsbench.engine.workdir import WorkDir
from tbpsbench.errors import CheckpointError
from tbpsbench.leaderboard.suite.read import Task, read_suite
from tbpsbench.records.usable import free_folder


class TooLateError(CheckpointError):
    """Another process works on the task: nothing has failed."""

    exit_code = 75  # EX_TEMPFAIL of sysexits.h; ours end with 1 and 2


class _TaskDir(WorkDir):
    def _claim(self) -> None:
        try:
            super()._claim()
        except CheckpointError as error:
            raise TooLateError(str(error)) from None


def work(task: Task, records: Path, folder: Path) -> list[Path]:
    """Do a task, from wherever an earlier process left it.

    Args:
        task: what to train and to evaluate.
        records: root of the records.
        folder: the run's own folder.

    Returns:
        Folders of the records.

    Raises:
        TooLateError: if another process works on it.
        TBPSError: whatever else is wrong with config or data.
    """
    task = replace(task, work=folder.parent)
    workdir = _TaskDir(folder, resume="auto", command=["tools/leaderboard.py", "run", task.suite, task.entry])
    try:
        from tbpsbench.data.evaluation import evaluation_data
        from tbpsbench.engine.run import build_run
        from tbpsbench.engine.train import Training
        from tbpsbench.records.evidence import EVIDENCE

        run = build_run(task.load(), folder=folder)
        training = Training(run, workdir, suite=task.about())
        record = training.train()
        evidence = (folder / "record" / EVIDENCE).read_bytes()
        written = [_put(records, (record, evidence))]
        own = run.evaluation
        for other in task.elsewhere():
            data = evaluation_data(other.data, other.evaluation.gallery_texts, own.texts, own.preprocess)
            written.append(_put(records, training.record(data)))
        for name, settings in task.reranked().items():
            written.append(_put(records, training.record(own, name=name, settings=settings, suite=task.about(name))))
        for name, settings in task.interacted().items():
            for place in (None, *task.elsewhere()):
                data = own if place is None else evaluation_data(
                    place.data, place.evaluation.gallery_texts, own.texts, own.preprocess
                )  # fmt: skip
                made = training.record(data, name=name, settings=settings, suite=task.about(name))
                written.append(_put(records, made))
        return written
    finally:
        workdir.release()


def _put(records: Path, made: tuple[dict[str, Any], bytes] | None) -> Path:
    from tbpsbench.records.make import write_record

    assert made is not None, "one process per task"
    folder = free_folder(records, made[0])
    write_record(folder, *made)
    return folder


def main() -> None:
    """Parse the arguments and do one task."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("suite", metavar="SUITE")
    parser.add_argument("number", type=int, metavar="NUMBER", help="of the task within the suite, from 0")
    parser.add_argument("--records", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True, help="the run's own folder")
    args = parser.parse_args()
    for folder in work(read_suite(args.suite)[args.number], args.records, args.work):
        print(f"record: {folder}")


if __name__ == "__main__":
    run_tool(main)
