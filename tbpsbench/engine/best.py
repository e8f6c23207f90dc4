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

from mmengine.dist import is_main_process

from tbpsbench.distributed import first_says
from tbpsbench.engine.workdir import BEST, LAST
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
    for name in (BEFORE, f".{BEFORE}.link", f".{BEST}.link"):
        (folder / name).unlink(missing_ok=True)


def require_best(folder: Path, content: Mapping[str, Any]) -> None:
    """Let best.pth be the one that last.pth names, if it names one; the first process sees to it for all.

    Args:
        folder: of the run.
        content: of last.pth.

    Raises:
        CheckpointError: if there is no such file.
    """
    best = content[KEY].get("best")
    if best is None:
        return
    if not first_says(_take_back(folder, best, content["meta"]["epoch"]) if is_main_process() else True):
        raise CheckpointError(
            f"{folder / BEST}: is not there, or not the checkpoint of epoch {best['epoch']} with {best['metric']} "
            f"{best['score']:.4f}, which {LAST} names. Put back a good copy, or start again (--overwrite)."
        )


def _take_back(folder: Path, best: Mapping[str, Any], done: int) -> bool:
    """Let best.pth be the one that last.pth names; whether it is there.

    A later one that was never named, with nothing set aside, is what older versions left: that epoch is trained again.

    Args:
        folder: of the run.
        best: epoch, score and metric as last.pth has them.
        done: epochs that last.pth has.
    """
    for path in (folder / BEST, folder / BEFORE):
        if path.is_file() and _names(path, best):
            if path.name == BEFORE:
                _give(path, folder / BEST)
            settle(folder)
            return True
    return not (folder / BEFORE).is_file() and _best_of(folder / BEST).get("epoch", 0) > done


def _names(path: Path, best: Mapping[str, Any]) -> bool:
    told = _best_of(path)
    return all(key in told and told[key] == best.get(key) for key in NAMED)


def _best_of(path: Path) -> Mapping[str, Any]:
    """What a checkpoint calls the best, which is itself; empty where there is none."""
    try:
        own = read_checkpoint(path).get(KEY) if path.is_file() else None
    except CheckpointError:
        return {}
    told = own.get("best") if isinstance(own, Mapping) else None
    return told if isinstance(told, Mapping) else {}


def _give(path: Path, name: Path) -> None:
    """Let a file have another name, too; whoever looks finds the old one under it or this one."""
    temporary = name.with_name(f".{name.name}.link")
    temporary.unlink(missing_ok=True)
    try:
        os.link(path, temporary)
    except OSError:  # a file system without links
        shutil.copyfile(path, temporary)
    temporary.replace(name)
