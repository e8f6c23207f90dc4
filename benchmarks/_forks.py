"""Tasks in processes of their own, so that one that crashes, hangs or spoils its device costs itself alone.

Processes are forked: torch is imported once, before any thread or CUDA context exists, which must stay so in the
process that forks.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any, NamedTuple

Row = dict[str, Any]
Emit = Callable[[Row], None]
TAIL = 1500


class Task(NamedTuple):
    """What one process does.

    Attributes:
        name: goes into rows about its failure.
        section: as well.
        run: called with a function that hands a row over to the parent.
    """

    name: str
    section: str
    run: Callable[[Emit], None]


class _Running(NamedTuple):
    task: Task
    process: Any
    rows: Connection


def run_tasks(tasks: Sequence[Task], parallel: int, deadline: float, keep: Emit, log: Path) -> None:
    """Run all tasks, at most `parallel` at a time; a task that fails or is out of time leaves a row with `failed`.

    Args:
        deadline: of `time.monotonic()`; what runs then is killed, what waits is not started.
        keep: gets every row, in this process.
        log: file that the processes' output is appended to.
    """
    waiting, running = list(tasks), list[_Running]()
    while waiting or running:
        if time.monotonic() >= deadline:
            for task in (*waiting, *(one.task for one in running)):
                keep({"section": task.section, "task": task.name, "failed": "out of time"})
            for one in running:
                one.process.kill()
                one.process.join()
            return
        while waiting and len(running) < parallel:
            running.append(_start(waiting.pop(0), log))
        for ready in wait([one.rows for one in running], timeout=max(0.01, min(1.0, deadline - time.monotonic()))):
            one = next(one for one in running if one.rows is ready)
            try:
                keep(one.rows.recv())
            except (EOFError, OSError):
                one.process.join()
                if one.process.exitcode:
                    failed = f"ended with exit code {one.process.exitcode}"
                    keep({"section": one.task.section, "task": one.task.name, "failed": failed})
                running.remove(one)


def _start(task: Task, log: Path) -> _Running:
    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_work, args=(task, sender, log))
    process.start()
    sender.close()
    return _Running(task, process, receiver)


def _work(task: Task, sender: Connection, log: Path) -> None:
    with contextlib.suppress(OSError), log.open("a") as stream:
        os.dup2(stream.fileno(), 1)
        os.dup2(stream.fileno(), 2)
    try:
        task.run(sender.send)
    except BaseException as error:
        sender.send({"section": task.section, "task": task.name, "failed": said(error), "traceback": tail()})
    sender.close()
    sys.stdout.flush()
    sys.stderr.flush()
    # Neither exit handlers of the parent nor a broken CUDA context may hold up the end.
    os._exit(0)


def said(error: BaseException) -> str:
    """Type and the first lines of an error; of one about memory its type."""
    if "OutOfMemory" in type(error).__name__:
        return "out of memory"
    lines = [line for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {' / '.join(lines[:3])}"[:400]


def tail() -> str:
    """The end of the traceback that is being handled."""
    return traceback.format_exc()[-TAIL:]
