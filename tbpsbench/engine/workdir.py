"""A run's folder: who owns it, what it holds, and whether a new run may use it. Imports nothing heavy.

run.json            written before anything else: config file, overrides, command line
config.py           the resolved config, readable as a config
last.pth, best.pth  checkpoints, each written aside and renamed
logs/               text log, scalars, TensorBoard
record/             record.json and ranks.npz of the final evaluation
.lock               held by the process that trains here
.replaced/          the run that is overwritten, until the new one has made a step
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Literal, get_args

from tbpsbench.config.load import RUN_CARD, RUN_CONFIG
from tbpsbench.errors import CheckpointError, ConfigError
from tbpsbench.files import write_json
from tbpsbench.locking import Lock
from tbpsbench.reading import given_path, read_json

Resume = Literal["no", "yes", "auto"]
# What may be given in its place, and what is meant by it.
MEANT = {None: "no", False: "no", True: "yes"}

CARD = RUN_CARD
LAST = "last.pth"
BEST = "best.pth"
LOCK = ".lock"
REPLACED = ".replaced"
PATIENCE_SECONDS = 2.0  # a killed process with much memory takes a moment to be gone
OWN = (CARD, RUN_CONFIG, LAST, BEST, "logs", "record")


class WorkDir:
    """The folder of one run, claimed for this process.

    Args:
        path: the folder; it is made.
        resume: "yes" goes on with the run that is there, "auto" does so if there is one, "no" wants a new run.
        overwrite: discard what is there under a run's names, once the new run has made a step.
        command: what is written into a new run card.

    Raises:
        ConfigError: if `resume` is another word.
        CheckpointError: if there is a run, or files that a new one would write over, and neither resuming nor
            overwriting is asked for; if there is none to resume; or if another process is training here.
        StorageError: if the folder cannot be made, written or locked.
    """

    def __init__(
        self, path: str | Path, *, resume: Resume = "no", overwrite: bool = False, command: Sequence[str] = ()
    ) -> None:
        if resume not in get_args(Resume):
            meant = f" (here {MEANT[resume]!r})" if resume is None or isinstance(resume, bool) else ""
            raise ConfigError(
                f"resume is {resume!r:.80}, expected 'no' for a new run, 'yes' to go on with the run that is there, or "
                f"'auto' to do so if there is one{meant}"
            )
        if not str(path):
            raise CheckpointError(
                "the folder's name is empty. Name one (--work-dir FOLDER, '.' for the one that you are in), or leave "
                "out --work-dir for the default."
            )
        self.path, self.fresh = given_path(path), False
        self._lock, self._empty = Lock(self.path / LOCK), frozenset[str]()
        if int(os.environ.get("RANK", "0")) > 0:
            return  # under torchrun the first process claims the folder for all
        self._made = [place for place in (self._lock.path, self.path) if not os.path.lexists(place)]
        self._claim()
        try:
            self._start(resume, overwrite, command)
        except BaseException:
            self._leave()
            self.release()
            raise

    def _start(self, resume: Resume, overwrite: bool, command: Sequence[str]) -> None:
        if self._replaced.exists() and not (self.path / CARD).exists():
            self._restore()  # killed while it was set aside
        has_run = (self.path / CARD).exists() or (self.path / LAST).exists()
        others = [] if has_run else [name for name in OWN if _holds_something(self.path / name)]
        if resume == "yes" and not has_run:
            raise CheckpointError(
                f"{self.path}: nothing to resume: no run was ever started here. Leave out --resume (resume='no'), or "
                "name the run's folder with --work-dir (work_dir)."
            )
        if (has_run or others) and overwrite:
            self._set_aside()
        elif has_run and resume == "no":
            raise CheckpointError(
                f"{self.path}: already holds a run. Continue it (--resume, resume='yes'), discard it (--overwrite, "
                "overwrite=True), or choose another folder (--work-dir, work_dir)."
            )
        elif others:
            raise CheckpointError(
                f"{self.path}: holds no run, but {', '.join(others)}, which a run would write over. Choose another "
                "folder (--work-dir, work_dir), or let the new run take their place (--overwrite, overwrite=True)."
            )
        self.fresh = not has_run or overwrite
        if self.fresh:
            self._empty = frozenset(name for name in OWN if (self.path / name).is_dir())
            write_json(self.path / CARD, {"command": list(command), "status": "started"})
        self._remove_leftovers()

    def _claim(self) -> None:
        if not self._lock.acquire(PATIENCE_SECONDS):
            raise CheckpointError(
                f"{self.path}: another process is training here{self._lock.holder()}. Wait for it or choose another "
                "folder (--work-dir)."
            )

    def ends(self) -> list[int]:
        """Epochs at which the run that is here was at its end and looked at the test split: several if it went on."""
        card = read_json(self.path / CARD) if (self.path / CARD).is_file() else {}
        told = card.get("ends") if isinstance(card, dict) else []
        if told is None and card.get("status") == "finished":  # of an older version
            told = [row.get("epoch") for row in card.get("history", []) if isinstance(row, dict)][-1:]
        return [epoch for epoch in told if isinstance(epoch, int)] if isinstance(told, list) else []

    def keep(self) -> None:
        """There is something to be kept now: a step is made."""
        self.fresh = False
        if self._replaced.exists():
            shutil.rmtree(self._replaced, ignore_errors=True)

    def undo(self) -> None:
        """Delete what this process has made, and bring back what it was to replace."""
        self._discard()
        if self._replaced.exists():
            self._restore()
        self._leave()

    def release(self) -> None:
        """Give up the claim; the operating system does so too when the process ends."""
        self._lock.release()

    @property
    def _replaced(self) -> Path:
        return self.path / REPLACED

    def _set_aside(self) -> None:
        if self._replaced.exists():  # the run that is here has never made a step
            self._discard()
        self._replaced.mkdir(exist_ok=True)
        for name in OWN:  # the card first: where it is missing, the rest was not moved for good
            if os.path.lexists(self.path / name):
                (self.path / name).rename(self._replaced / name)

    def _restore(self) -> None:
        for name in reversed(OWN):
            if os.path.lexists(self._replaced / name):
                (self._replaced / name).rename(self.path / name)
        shutil.rmtree(self._replaced)

    def _discard(self) -> None:
        """Delete a run that has made no step; a folder that was there before it is emptied."""
        for name in reversed(OWN):  # the card last: what a kill leaves is still a run's
            target = self.path / name
            for made in target.iterdir() if name in self._empty and target.is_dir() else [target]:
                if made.is_dir() and not made.is_symlink():
                    shutil.rmtree(made)
                else:
                    made.unlink(missing_ok=True)

    def _leave(self) -> None:
        """Remove lock and folder, if this process made them; the folder stays where it holds something."""
        for place in self._made:
            with suppress(OSError):
                place.rmdir() if place == self.path else place.unlink()

    def _remove_leftovers(self) -> None:
        """Files that a killed process was still writing."""
        own = [f".{name}{rest}" for name in (*OWN, f"{LOCK}.holder") for rest in (".tmp", ".*.tmp")]
        for folder, names in ((self.path, own), (self.path / "record", [".*.tmp"])):
            for leftover in (path for name in names for path in folder.glob(name)):
                leftover.unlink(missing_ok=True)

    @property
    def last(self) -> Path | None:
        """The checkpoint to go on from; None where the run was killed before its first epoch ended."""
        return self.path / LAST if (self.path / LAST).exists() else None


def _holds_something(path: Path) -> bool:
    return any(path.iterdir()) if path.is_dir() else os.path.lexists(path)


@contextmanager
def undo_if_refused(workdir: WorkDir) -> Iterator[None]:
    """Remove a just claimed folder again where anything fails before the first step: nothing half-made stays.

    Whatever it is, a wrong config, a defect of a plug-in or Ctrl-C: the same command can be given again, and a run that
    was to be overwritten is there again. After the first step (`WorkDir.keep`) the folder stays, to be resumed.
    """
    try:
        yield
    except BaseException:
        if workdir.fresh:
            workdir.undo()
        workdir.release()
        raise
