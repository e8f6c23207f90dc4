"""The best checkpoint of a run that may be killed between two writes: best.pth comes first, last.pth names it after.

While the two disagree, the best one so far lies beside them under a hidden name, and a run that goes on takes it back:
on a GPU, or with another config, the same epoch may not be the best a second time.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tbpsbench.engine.workdir import BEST
from tbpsbench.errors import CheckpointError
from tbpsbench.weights.checkpoint import KEY
from tbpsbench.weights.files import read_checkpoint

BEFORE = ".best.pth.before"
NAMED = ("epoch", "score", "metric")


def set_aside(folder: Path) -> None:
    """Keep best.pth, if there is one, before another takes its place."""
    if (folder / BEST).is_file():
        _give(folder / BEST, folder / BEFORE)


def settle(folder: Path) -> None:
    """Forget what was set aside: last.pth names what best.pth holds."""
    for name in (BEFORE, f".{BEFORE}.tmp", f".{BEST}.tmp"):
        (folder / name).unlink(missing_ok=True)


def take_back(folder: Path, best: Mapping[str, Any]) -> bool:
    """Let best.pth be the one that last.pth names; whether it is there.

    Args:
        folder: of the run.
        best: epoch, score and metric as last.pth has them.
    """
    for path in (folder / BEST, folder / BEFORE):
        if path.is_file() and _names(path, best):
            if path.name == BEFORE:
                _give(path, folder / BEST)
            settle(folder)
            return True
    return False


def _names(path: Path, best: Mapping[str, Any]) -> bool:
    try:
        own = read_checkpoint(path).get(KEY)
    except CheckpointError:
        return False
    told = own.get("best") if isinstance(own, Mapping) else None
    return isinstance(told, Mapping) and all(told.get(key) == best.get(key) for key in NAMED)


def _give(path: Path, name: Path) -> None:
    """Let a file have another name, too; whoever looks finds the old one under it or this one."""
    temporary = name.with_name(f".{name.name}.tmp")
    temporary.unlink(missing_ok=True)
    try:
        os.link(path, temporary)
    except OSError:  # a file system without links
        shutil.copyfile(path, temporary)
    temporary.replace(name)
