"""How many requests a server gets at a time: found out by itself, and found again when it changes.

The limit doubles with every round of replies until the server refuses one (429, 503, 529) or slows down. A refusal
says how many at a time were too many: one fewer is the ceiling. Refusals that go on after that lower the limit by a
share and pause the server. Above the ceiling it is tried again, one more at a time, ever more rarely while that is
refused. A round of replies that takes twice as long as usual lowers the limit, too (after the gradient limiter of
Netflix's concurrency-limits); what is usual adapts, so that the limit rises again.
"""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

Outcome = Literal["answered", "refused", "late", "failed"]

START = 4
KEPT = (1.0, 0.75, 0.5)  # share of the limit that stays at the first, second and every further refusal in a row
PATIENCE = 4  # rounds at the ceiling before one more is tried
MAX_PATIENCE = 64
SLOW = 2.0  # a round that takes so many times as long as usual
SHORT_REPLY = 8  # tokens; shorter replies take about as long


@dataclass(frozen=True)
class Ticket:
    """Leave to send one request.

    Attributes:
        era: number of decreases before it was sent.
        in_flight: requests under way then, this one included.
        sent: time in seconds.
    """

    era: int
    in_flight: int
    sent: float


class Limiter:
    """Lets requests through, at most `limit` at a time.

    Args:
        highest: the limit is never above it.
        longest: seconds; while replies take longer, the limit does not rise. A server that answers one after the other
            would else be given more than it can answer before the deadline.
        clock: seconds; for tests.
    """

    def __init__(self, highest: int = 64, longest: float = math.inf, clock: Callable[[], float] | None = None) -> None:
        self.highest, self.longest, self.in_flight = highest, longest, 0
        self.limit: float = min(START, highest)
        self._ceiling: float | None = None  # None: nothing was refused yet
        self._era, self._level, self._clean = 0, 0, 0
        self._patience, self._rounds, self._trying = PATIENCE, 0, False
        self._usual: float | None = None
        self._paces: list[float] = []
        self._paused_until = 0.0
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._alarm: asyncio.TimerHandle | None = None
        self._clock = clock or (lambda: asyncio.get_running_loop().time())

    @property
    def now(self) -> float:
        """Time in seconds."""
        return self._clock()

    @property
    def load(self) -> float:
        """Requests under way and waiting, as a share of what the server takes."""
        return (self.in_flight + len(self._waiting)) / max(1.0, self.limit)

    async def acquire(self) -> Ticket:
        """Wait for leave to send."""
        if self._waiting or not self._free():
            turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.append(turn)
            self._wake_later()
            try:
                await turn  # whoever wakes it has counted it in
            except asyncio.CancelledError:
                if turn.done() and not turn.cancelled() and turn.exception() is None:
                    self.in_flight -= 1
                    self._wake()
                raise
        else:
            self.in_flight += 1
        return Ticket(self._era, self.in_flight, self.now)

    def release(self, ticket: Ticket, outcome: Outcome, *, tokens: int = 0, after: float | None = None) -> None:
        """Say what became of a request.

        Args:
            ticket: from `acquire`.
            outcome: "late" for one that was given up because it took too long, "failed" for what says nothing about
                how busy the server is.
            tokens: length of the reply.
            after: seconds that the server asked to wait.
        """
        if outcome == "answered":
            seconds = self.now - ticket.sent
            used = self.in_flight >= math.floor(self.limit) - 1  # or nothing is learnt about more
            self.in_flight -= 1
            self._answered(used and seconds <= self.longest, seconds / max(tokens, SHORT_REPLY))
        else:
            self.in_flight -= 1
            if outcome in ("refused", "late") and ticket.era == self._era:
                self._refused(ticket, after, late=outcome == "late")
        self._wake()

    def pause(self, seconds: float) -> None:
        """Send nothing for a while."""
        self._paused_until = max(self._paused_until, self.now + seconds)
        self._wake_later()

    def stop(self, error: Exception) -> None:
        """Let all who wait raise `error`."""
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_exception(error)

    # -- what is learnt from replies ------------------------------------------------------------------------------

    def _answered(self, grow: bool, pace: float) -> None:
        self._paces.append(pace)
        self._clean += 1
        if self._clean >= self.limit:
            self._level = 0
        if grow:
            self._grow()
        if len(self._paces) >= max(self.limit, START):
            self._round()

    def _grow(self) -> None:
        if self._ceiling is None:
            self.limit = min(self.limit + 1, self.highest)  # doubles with every round
        elif self.limit < self._ceiling:
            self.limit = min(self.limit + 4 / self.limit, self._ceiling, self.highest)
        elif self._ceiling < self.highest:
            self._rounds += 1
            if self._rounds >= self._patience * self.limit:
                if self._trying:  # the last one more was let through
                    self._patience = max(1, self._patience // 2)
                self._rounds, self._trying = 0, True
                self._ceiling = self.limit = min(self._ceiling + 1, self.highest)

    def _round(self) -> None:
        """Compare how long this round's replies took with what is usual."""
        pace = sum(self._paces) / len(self._paces)
        self._paces.clear()
        if self._usual is None:
            self._usual = pace
        elif pace > SLOW * self._usual:
            self._lower(self.limit * max(0.5, SLOW * self._usual / pace))
            if self._ceiling is None:
                self._ceiling = float(self.highest)
        share = 0.5 if pace < self._usual else 0.1
        self._usual += share * (pace - self._usual)

    def _refused(self, ticket: Ticket, after: float | None, *, late: bool) -> None:
        if late:  # says nothing about how many are too many
            self._lower(self.limit * KEPT[-1])
            self._ceiling = self._ceiling or float(self.highest)
        else:
            if self._trying and self._level == 0:
                self._patience = min(2 * self._patience, MAX_PATIENCE)
            kept = self.limit * KEPT[min(self._level, len(KEPT) - 1)]
            self._lower(min(kept, ticket.in_flight - 1) if self._level == 0 else kept)
            self._ceiling = self.limit
        if self._level > 0 and after:
            self._paused_until = max(self._paused_until, self.now + after)
        self._level += 1
        self._trying, self._rounds = False, 0

    def _lower(self, limit: float) -> None:
        self.limit = max(1.0, limit)
        self._era += 1
        self._clean = 0
        self._paces.clear()

    # -- who goes next ---------------------------------------------------------------------------------------------

    def _free(self) -> bool:
        return self.in_flight < math.floor(self.limit) and self.now >= self._paused_until

    def _wake(self) -> None:
        while self._waiting and self._free():
            turn = self._waiting.popleft()
            if not turn.done():
                self.in_flight += 1
                turn.set_result(None)
        self._wake_later()

    def _wake_later(self) -> None:
        wait = self._paused_until - self.now
        if self._waiting and wait > 0:
            if self._alarm is not None:
                self._alarm.cancel()
            self._alarm = asyncio.get_running_loop().call_later(wait + 1e-3, self._wake)
