"""Errors that a user can act on: they name the file, key or value and the fix.

The tools print such an error without a traceback and exit with its `exit_code`; any other exception is a defect of ours
and keeps its traceback.
"""

from __future__ import annotations

import re

# What torch makes of an error in a loader's worker: a traceback as text, at its end the error's name and message.
_FROM_WORKER = re.compile(r"\ACaught \w+ in DataLoader worker process.*\n[\w.]+Error: (.*)\Z", re.DOTALL)


class TBPSError(Exception):
    """Base of every error that is the input's fault, not the program's."""

    exit_code = 2

    def __str__(self) -> str:
        """The message alone, also of an error that a loader's worker has raised."""
        text = super().__str__()
        found = _FROM_WORKER.match(text)
        return found[1].strip() if found else text


class ConfigError(TBPSError):
    """A config names something that does not exist or leaves out something that is needed."""


class RegistryError(ConfigError):
    """A component cannot be found, imported, registered or built."""


class DataError(TBPSError):
    """An annotation file, image or caption is missing, damaged or contradicts itself."""


class CheckpointError(TBPSError):
    """A checkpoint is unreadable, unsafe, or belongs to another model or run."""


class TrainingError(TBPSError):
    """Training cannot go on: a loss or a weight is no finite number any more."""


class LeakError(TBPSError):
    """An evaluation would use what it must not know (protocol.md, leak guard)."""


class StorageError(TBPSError):
    """A file could not be written: no space, no permission. What was there before is untouched."""

    exit_code = 1
