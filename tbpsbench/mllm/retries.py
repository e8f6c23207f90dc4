"""One retry layer: how often a request is sent again, and how long is waited in between."""

from __future__ import annotations

import random
from collections import Counter
from typing import Any

from tbpsbench.errors import ConfigError
from tbpsbench.mllm.errors import ItemError
from tbpsbench.mllm.verdicts import Again

FIRST_WAIT, LONGEST_WAIT = 0.5, 8.0  # seconds
SAME = 3  # times that the same failure is believed to be chance
REFUSALS = 100  # by a busy server, of one request


class Retries:
    """When to try again.

    Args:
        attempts: failures of one request, refusals of a busy server apart, until it is given up.
        max_wait: seconds between two tries, at most.
    """

    def __init__(self, attempts: int, max_wait: float) -> None:
        self.attempts, self.max_wait = attempts, max_wait

    def tries(self) -> Any:
        """An async iterator of contexts to try in; it ends when one is left without an `Again`.

        Raises:
            ItemError: in the loop, when the request is given up.
        """
        try:
            import tenacity
        except ImportError:
            raise ConfigError(
                "OpenAICompatible needs the packages openai and tenacity: pip install 'tbpsbench[mllm]'"
            ) from None
        failures, refusals = Counter[str](), 0

        def stop(state: Any) -> bool:
            nonlocal refusals
            error = state.outcome.exception()
            if error.refused:
                refusals += 1
                return refusals >= REFUSALS
            failures[error.same] += 1
            return failures.total() >= self.attempts or (error.same != "" and failures[error.same] >= SAME)

        def wait(state: Any) -> float:
            error = state.outcome.exception()
            backoff = min(FIRST_WAIT * 2.0 ** min(failures.total() + refusals, 10), LONGEST_WAIT)
            return min(max(error.after or 0.0, backoff * random.uniform(0.5, 1.0)), self.max_wait)

        def give_up(state: Any) -> None:
            error = state.outcome.exception()
            times = failures.total() + refusals
            # The same failure every time lies in the request; others may be over in the next run.
            again = error.refused or error.same == "" or failures[error.same] < SAME
            raise ItemError(error.reason, f"{error.detail} (tried {times} times)", retry_later=again) from error

        return tenacity.AsyncRetrying(
            retry=tenacity.retry_if_exception_type(Again), stop=stop, wait=wait, retry_error_callback=give_up
        )
