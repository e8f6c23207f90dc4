"""Requests and tokens a minute: a provider's rate limit, kept from the start rather than run into."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any

from tbpsbench.mllm.arguments import require_numbers

MINUTE = 60.0


class Rates:
    """Lets requests through so that any window of a minute keeps both limits.

    Args:
        requests, tokens: a minute; None for no limit.
        window: seconds that count as a minute; for tests.

    Raises:
        ValueError: for a limit that lets nothing through.
    """

    def __init__(self, requests: int | None = None, tokens: int | None = None, window: float = MINUTE) -> None:
        given: dict[str, Any] = {"requests_per_minute": requests, "tokens_per_minute": tokens}
        require_numbers(1, **{name: limit for name, limit in given.items() if limit is not None})
        self.requests, self.tokens, self.window = requests, tokens, window
        self._sent: deque[tuple[float, float]] = deque()
        self._sum = 0.0
        self._turn = asyncio.Lock()

    async def wait(self, tokens: float) -> None:
        """Wait until a request of so many tokens may be sent."""
        if self.requests is None and self.tokens is None:
            return
        async with self._turn:  # first come, first served
            while (seconds := self._too_early(tokens)) > 0:
                await asyncio.sleep(seconds)
            self._sent.append((asyncio.get_running_loop().time(), tokens))
            self._sum += tokens

    def _too_early(self, tokens: float) -> float:
        """Seconds until the next look; 0 if the request may go now."""
        now = asyncio.get_running_loop().time()
        while self._sent and self._sent[0][0] <= now - self.window:
            self._sum -= self._sent.popleft()[1]
        many = self.requests is not None and len(self._sent) >= self.requests
        heavy = self.tokens is not None and bool(self._sent) and self._sum + tokens > self.tokens
        return self._sent[0][0] + self.window - now if many or heavy else 0.0
