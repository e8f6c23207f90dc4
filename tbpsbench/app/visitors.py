"""Who is at the page: each visitor's search, names of pictures and rates, in memory alone."""

from __future__ import annotations

import asyncio
import hashlib
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

from tbpsbench.app.talk import Talk
from tbpsbench.app.view import FIRST

# Visitors that are remembered; whoever was away longest is forgotten first, and everybody after so many seconds.
MOST_VISITORS, FORGOTTEN_AFTER = 1000, 12 * 3600.0
Clock = Callable[[], float]


@dataclass
class Bucket:
    """A rate: so many at once, and so many a second in the long run.

    Attributes:
        size: at once.
        rate: a second.
    """

    size: float
    rate: float
    _left: float = field(init=False)
    _at: float = field(init=False, default=0.0)

    def __post_init__(self) -> None:
        self._left = self.size

    def take(self, now: float) -> float:
        """Take one. Returns 0, or the seconds to wait until there is one."""
        if self._at:
            self._left = min(self.size, self._left + (now - self._at) * self.rate)
        self._at = now
        if self._left < 1:
            return (1 - self._left) / self.rate
        self._left -= 1
        return 0.0


@dataclass(frozen=True)
class Rates:
    """Requests that are answered: (at once, a second in the long run).

    Attributes:
        actions: searches and turns of one visitor.
        pictures: thumbnails of one visitor.
        visitors: new visitors.
    """

    actions: tuple[float, float] = (30.0, 5.0)
    pictures: tuple[float, float] = (600.0, 100.0)
    visitors: tuple[float, float] = (250.0, 5.0)


class Visitor:
    """One visitor.

    Attributes:
        key: the cookie's value.
        talk: the search, or None before the first.
        shown: pictures of each system that the page shows.
        notice: what has happened last, for the page; error: whether that is an error.
        lock: one request of a visitor after the other.
        actions, pictures: the rates.
    """

    def __init__(self, rates: Rates) -> None:
        self.key = secrets.token_urlsafe(24)
        self.talk: Talk | None = None
        self.shown = FIRST
        self.notice, self.error = "", False
        self.lock = asyncio.Lock()
        self.actions, self.pictures = Bucket(*rates.actions), Bucket(*rates.pictures)
        self.seen = 0.0
        self._secret = secrets.token_bytes(32)
        self._positions: dict[str, int] = {}

    def begin(self, talk: Talk | None) -> None:
        """Another search: pictures of the one before have no name any more."""
        self.talk, self.shown = talk, FIRST
        self._positions.clear()

    def token(self, position: int) -> str:
        """The name under which this visitor may see a picture; says nothing about it, and differs for everybody."""
        token = hashlib.blake2b(position.to_bytes(8), key=self._secret, digest_size=12).hexdigest()
        self._positions[token] = position
        return token

    def position(self, token: str) -> int | None:
        """The picture of that name, if this visitor was shown it."""
        return self._positions.get(token)


class Visitors:
    """All of them.

    Args:
        rates: of each, and of new ones.
        clock: seconds.
    """

    def __init__(self, rates: Rates | None = None, clock: Clock = time.monotonic) -> None:
        self.rates = rates or Rates()
        self.clock = clock
        self._visitors: OrderedDict[str, Visitor] = OrderedDict()
        self._new = Bucket(*self.rates.visitors)

    def __len__(self) -> int:
        return len(self._visitors)

    def known(self, key: str | None) -> Visitor | None:
        """The visitor with that cookie."""
        visitor = self._visitors.get(key or "")
        now = self.clock()
        if visitor is None or now - visitor.seen > FORGOTTEN_AFTER:
            return None
        visitor.seen = now
        self._visitors.move_to_end(visitor.key)
        return visitor

    def new(self) -> Visitor | float:
        """A new visitor, or the seconds until one is let in."""
        now = self.clock()
        if wait := self._new.take(now):
            return wait
        visitor = Visitor(self.rates)
        visitor.seen = now
        self._visitors[visitor.key] = visitor
        while len(self._visitors) > MOST_VISITORS:
            self._visitors.popitem(last=False)
        return visitor
