"""A run's folder: who owns it, what it holds, and whether a new run may use it. Imports nothing heavy.

run.json            written before anything else: config file, overrides, command line
config.py           the resolved config, readable as a config
last.pth, best.pth  checkpoints, each written aside and renamed
logs/               text log, scalars, TensorBoard
record/             record.json and ranks.npz of the final evaluation
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Literal

from tbpsbench.config.load import RUN_CARD, RUN_CONFIG
from tbpsbench.errors import CheckpointError, TBPSError
from tbpsbench.files import storage_error, write_json
from tbpsbench.reading import given_path

Resume = Literal["no", "yes", "auto"]

CARD = RUN_CARD
LAST = "last.pth"
BEST = "best.pth"
OWN = (CARD, RUN_CONFIG, LAST, BEST, "logs", "record")


class WorkDir:
    """The folder of one run, claimed for this process.

    Args:
        path: the folder; it is made.
        resume: "yes" goes on with the run that is there, "auto" does so if there is one, "no" wants a new run.
        overwrite: discard the run that is there.
        command: what is written into a new run card.

    Raises:
        CheckpointError: if there is a run and neither resuming nor overwriting is asked for, if there is none to
            resume, or if another process is training here.
        StorageError: if the folder cannot be made or written.
    """

    def __init__(
        self, path: str | Path, *, resume: Resume = "no", overwrite: bool = False, command: Sequence[str] = ()
    ) -> None:
        self.path, self.fresh = given_path(path), False
        self._lock: int | None = None
        if int(os.environ.get("RANK", "0")) > 0:
            return  # under torchrun the first process claims the folder for all
        self._claim()
        try:
            self._start(resume, overwrite, command)
        except TBPSError:
            self.release()
            raise

    def _start(self, resume: Resume, overwrite: bool, command: Sequence[str]) -> None:
        has_run = (self.path / CARD).exists() or (self.path / LAST).exists()
        if resume == "yes" and not has_run:
            raise CheckpointError(
                f"{self.path}: nothing to resume: no run was ever started here. Leave out --resume, or name the run's "
                "folder with --work-dir."
            )
        if has_run and overwrite:
            self._discard()
        elif has_run and resume == "no":
            raise CheckpointError(
                f"{self.path}: already holds a run. Continue it (--resume), discard it (--overwrite), or choose "
                "another folder (--work-dir)."
            )
        self.fresh = not has_run or overwrite
        if self.fresh:
            write_json(self.path / CARD, {"command": list(command), "status": "started"})
        self._remove_leftovers()

    def _claim(self) -> None:
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            self._lock = os.open(self.path / ".lock", os.O_CREAT | os.O_RDWR, 0o666)
        except OSError as error:
            raise storage_error(self.path, error) from error
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self.release()
            raise CheckpointError(
                f"{self.path}: another process is training here. Wait for it or choose another folder (--work-dir)."
            ) from None

    def release(self) -> None:
        """Give up the claim; the operating system does so too when the process ends."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _discard(self) -> None:
        for name in OWN:
            target = self.path / name
            if target.is_dir():
                shutil.rmtree(target)
            else:
                target.unlink(missing_ok=True)

    def _remove_leftovers(self) -> None:
        """Files that a killed process was still writing."""
        for leftover in self.path.glob(".*.tmp"):
            leftover.unlink(missing_ok=True)

    @property
    def last(self) -> Path | None:
        """The checkpoint to go on from; None where the run was killed before its first epoch ended."""
        return self.path / LAST if (self.path / LAST).exists() else None


@contextmanager
def undo_if_refused(workdir: WorkDir) -> Iterator[None]:
    """Remove a just claimed folder again where config or data turn out to be wrong: nothing half-made stays."""
    try:
        yield
    except TBPSError:
        if workdir.fresh:
            for name in (CARD, ".lock"):
                (workdir.path / name).unlink(missing_ok=True)
            with suppress(OSError):
                workdir.path.rmdir()
        workdir.release()
        raise
