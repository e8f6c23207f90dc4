"""Standard output kept clean while other people's code runs: what a tool prints may be JSON that is piped on."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout, suppress
from typing import Any, TextIO


class _Held:
    """Stands for a stream: keeps what is written until it is released, then passes everything on.

    Code that runs meanwhile may keep the stream, as a logging handler does, so it has to work afterwards, too.
    """

    def __init__(self, stream: TextIO, kept: list[str]) -> None:
        self._stream, self._kept = stream, kept
        self._held = True

    def write(self, text: str) -> int:
        """Keep the text, or write it."""
        if not isinstance(text, str):
            raise TypeError(f"write() takes text, got {type(text).__name__}")
        if not self._held:
            return self._stream.write(text)
        self._kept.append(text)
        return len(text)

    def writelines(self, lines: Iterator[str]) -> None:
        """Write several texts."""
        for line in lines:
            self.write(line)

    def release(self) -> None:
        """From now on write to the stream itself."""
        self._held = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@contextmanager
def held_output() -> Iterator[list[str]]:
    """Keep what Python code prints, and send what goes past Python (C code, child processes) to standard error.

    Yields:
        the texts printed so far, to standard output and standard error alike.
    """
    kept: list[str] = []
    with ExitStack() as stack:
        stack.enter_context(_descriptor_to_stderr())
        for redirect, stream in ((redirect_stdout, sys.stdout), (redirect_stderr, sys.stderr)):
            if stream is not None:
                held = _Held(stream, kept)
                stack.callback(held.release)
                stack.enter_context(redirect(held))  # type: ignore[type-var]
        yield kept


@contextmanager
def _descriptor_to_stderr() -> Iterator[None]:
    _flush()
    try:
        saved = os.dup(1)
    except OSError:  # standard output is closed: nothing to keep clean
        yield
        return
    try:
        with suppress(OSError):
            os.dup2(2, 1)
        yield
    finally:
        _flush()
        os.dup2(saved, 1)
        os.close(saved)


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            with suppress(OSError, ValueError):
                stream.flush()
