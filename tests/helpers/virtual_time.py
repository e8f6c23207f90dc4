"""An event loop whose clock jumps to the next thing to do: hours of sleeping take no time, and the same time always."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class _Jumping(selectors.DefaultSelector):  # type: ignore[misc, valid-type]
    """Never waits; notes how long it was asked to."""

    asked = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        found = super().select(0 if timeout is None or timeout >= 0 else timeout)
        if not found:
            self.asked += timeout or 0.0
        return found


class VirtualLoop(asyncio.SelectorEventLoop):
    """The loop; sockets and threads have no place in it."""

    def __init__(self) -> None:
        self._jumping = _Jumping()
        super().__init__(self._jumping)

    def time(self) -> float:
        return self._jumping.asked


def run(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine in virtual time."""
    loop = VirtualLoop()
    try:
        return loop.run_until_complete(coroutine)
    finally:
        loop.close()
