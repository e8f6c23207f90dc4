"""Who is still there after a kill: processes are found by a mark in their environment, which all children inherit."""

from __future__ import annotations

import os
import time
from pathlib import Path

MARK = "TBPSBENCH_TEST_MARK"


def marked(mark: str) -> dict[str, str]:
    """The environment for a process that is to be found again, with all of its descendants."""
    return {**os.environ, MARK: mark, "OMP_NUM_THREADS": "1"}


def alive(mark: str) -> dict[int, str]:
    """Command lines of the living processes with this mark, by pid; needs /proc."""
    wanted, found = f"{MARK}={mark}".encode(), {}
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit():
            continue
        try:
            if wanted in (folder / "environ").read_bytes().split(b"\0"):
                state = (folder / "stat").read_text().rpartition(")")[2].split()[0]
                if state not in "ZX":
                    found[int(folder.name)] = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode().strip()
        except OSError:
            continue  # it has just ended, or is somebody else's
    return found


def orphans(mark: str, seconds: float = 3.0) -> dict[int, str]:
    """What is alive of a killed process' family after `seconds`; returns early if nothing is."""
    deadline = time.monotonic() + seconds
    while (left := alive(mark)) and time.monotonic() < deadline:
        time.sleep(0.05)
    return left
