"""What can go wrong when a model is asked: this image fails, or the run stops."""

from __future__ import annotations

from tbpsbench.errors import TBPSError


class ItemError(TBPSError):
    """One request failed for good; the run goes on without it.

    Args:
        reason: one word for tables: "refused", "bad-image", "server-error", "bad-reply", "too-long", "timeout", ...
        detail: what was seen, for a person.
        retry_later: whether the same request may succeed in another run.

    Attributes:
        used: tokens of prompt and reply that the server counted all the same, or None.
        calls: that were made for it.
    """

    exit_code = 1
    used: tuple[int, int] | None = None
    calls: int = 1

    def __init__(self, reason: str, detail: str, *, retry_later: bool = False) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason, self.detail, self.retry_later = reason, detail, retry_later


class StopRun(TBPSError):
    """No further request makes sense: wrong key, empty account, no server, budget reached.

    Args:
        reason: what happened.
        advice: what to do about it; a sentence.
    """

    exit_code = 1

    def __init__(self, reason: str, advice: str) -> None:
        super().__init__(f"{reason}. {advice}")
        self.reason, self.advice = reason, advice
