"""Drawing in several processes.

They are programs of their own and not those of `multiprocessing`, which would import the script that asked for the
data: one that does its work on import would ask again, and wait for itself for ever.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tbpsbench.processes import child_environment, end_with_starter

if TYPE_CHECKING:
    from tbpsbench.minipedes.build import Job

# -P: not the folder that the user happens to be in.
COMMAND = (sys.executable, "-P", "-m", "tbpsbench.minipedes.workers")


def draw_in_processes(
    root: Path, jobs: Sequence[Job], made_from: dict[str, Any], workers: int, drawn: Callable[[int], object]
) -> None:
    """Let processes draw jobs. One that fails leaves the rest of its jobs undrawn, for the caller to meet its error.

    Args:
        root: folder of the data set.
        jobs: what to draw.
        made_from: see `build`.
        workers: number of processes.
        drawn: called with the number of images of each finished job.
    """
    environment = {**child_environment(), "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    reading, writing = os.pipe()
    running: list[subprocess.Popen[str]] = []
    try:
        with os.fdopen(reading) as finished:
            try:
                for number in range(workers):
                    share = {
                        "root": str(root),
                        "made_from": made_from,
                        "jobs": [asdict(j) for j in jobs[number::workers]],
                    }
                    running.append(_start(share, environment, writing))
            finally:
                os.close(writing)
            for line in finished:  # until the last of them has ended
                drawn(int(line))
    finally:
        for process in running:
            process.kill()
            process.wait()


def _start(order: dict[str, Any], environment: dict[str, str], writing: int) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        COMMAND, stdin=subprocess.PIPE, stdout=writing, stderr=subprocess.DEVNULL, env=environment, text=True
    )
    assert process.stdin is not None
    with suppress(BrokenPipeError), process.stdin as stream:
        json.dump(order, stream)
    return process


def main() -> None:
    """Draw the share that stands on the standard input; a line for each finished job."""
    end_with_starter()
    from tbpsbench.minipedes.build import Job, draw_person

    order = json.load(sys.stdin)
    for fields in order["jobs"]:
        job = Job(**fields)
        draw_person(Path(order["root"]), job, order["made_from"])
        os.write(sys.stdout.fileno(), b"%d\n" % job.images)  # at once: the others write to the same pipe


if __name__ == "__main__":
    main()
