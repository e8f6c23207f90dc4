"""What an answer of a server means: a reply, try again, this request fails, or the run stops.

Servers that speak the chat-completions API differ most in how they fail; what is decided here is decided by status,
error code and shape alone, not by the words of a message.

    200, a text                                    the reply; `finish_reason` "length" marks one that was cut off
    200, no text, finish_reason "content_filter"   this request fails
    200, damaged JSON, HTML, no choices, ...       again; the same four times: this request fails, if others would not
    200, {"error": ...}                            as the status or code that it names
    429 insufficient_quota and the like, 402       the run stops
    429, 503, 529                                  refused for now: again, and fewer at a time
    408, 409, 425, other 5xx                       again; the same four times: this request fails, if others would not
    401, 403, 404, 405                             the run stops
    other 4xx                                      this request fails
"""

from __future__ import annotations

import email.utils
import json
import math
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tbpsbench.files import sha256_bytes
from tbpsbench.mllm.errors import ItemError, StopRun

AGAIN = frozenset({408, 409, 425})
REFUSED = frozenset({429, 503, 529})
NO_MONEY = frozenset(
    {"insufficient_quota", "billing_hard_limit_reached", "billing_not_active", "insufficient_balance"}
    | {"insufficient_credits", "spend_limit_reached", "quota_exceeded"}
)
TOO_LONG = frozenset({"context_length_exceeded", "string_above_max_length", "request_too_large"})
FILTERED = frozenset({"content_filter", "content_policy_violation", "moderation_blocked"})
SHOWN = 300  # characters of an answer in messages
MOST_TOKENS = 10**9  # that a server may count; more of them are nonsense, and no money is reckoned from it


class Again(Exception):
    """This call failed, the next may not.

    Args:
        reason: one word for tables.
        detail: what was seen.
        after: seconds that the server asks to wait, or None.
        refused: whether the server has too much to do, rather than a fault.
        same: equal for equal failures that may lie in the request; "" where they do not.

    Attributes:
        used: as of an `ItemError`.
    """

    used: tuple[int, int] | None = None

    def __init__(
        self, reason: str, detail: str, *, after: float | None = None, refused: bool = False, same: str = ""
    ) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason, self.detail, self.after, self.refused, self.same = reason, detail, after, refused, same


@dataclass(frozen=True)
class Said:
    """A reply as the server gave it.

    Attributes:
        text: not empty.
        model, finish_reason, prompt_tokens, completion_tokens: as in `Reply`.
        thought: what the model wrote before its answer, where the server tells it apart.
    """

    text: str
    model: str
    finish_reason: str
    prompt_tokens: int
    completion_tokens: int
    thought: str


def failure(status: int, headers: Mapping[str, str], body: str, key_from: str = "the API key") -> Exception:
    """What an answer with an error status means: an `Again`, `ItemError` or `StopRun`, not raised.

    Args:
        status: of HTTP, 300 or more.
        headers: names in lower case, or a mapping that does not care.
        body: the text.
        key_from: where the API key comes from, for the advice.
    """
    error = _error_of(body)
    codes = {str(error.get(name)) for name in ("code", "type", "param")}
    said = f"{status}: {_shown(str(error.get('message') or body))}"
    if codes & NO_MONEY or status == 402:
        return StopRun(
            f"The account has no quota or credit left (the server says {said})",
            "Add credit or raise the limit, or name another server or model in base_urls and model; then start again: "
            "the run goes on where it stopped.",
        )
    if status in (401, 403):
        return StopRun(
            f"The server does not accept the API key (it says {said})",
            f"Check {key_from} and that the key may use this model.",
        )
    if status in (404, 405):
        return StopRun(
            f"The server has no such model or address (it says {said})",
            "Check model (as the server's /v1/models lists it) and base_urls (they usually end in /v1).",
        )
    if status in REFUSED:
        return Again("busy", said, after=retry_after(headers), refused=True)
    if status in AGAIN or status >= 500:
        return Again("server-error", said, after=retry_after(headers), same=f"{status} {sha256_bytes(body.encode())}")
    if codes & TOO_LONG or status == 413:
        return ItemError("too-long", said)
    return ItemError("content-filter" if codes & FILTERED else "refused", said)


def read_reply(body: str, content_type: str = "application/json", key_from: str = "the API key") -> Said:
    """The reply in the body of an answer with status 200.

    Raises:
        Again, ItemError, StopRun: as in the head of this module.
    """
    whole = _json_of(body)
    if not isinstance(whole, Mapping):
        kind = content_type.split(";")[0] or "nothing in particular"
        raise _bad(body, f"the answer is no JSON object but {kind}")
    if whole.get("error"):
        error = _error_of(body)
        code = str(error.get("status", error.get("code")))
        status = int(code) if re.fullmatch("[45][0-9]{2}", code) else 500
        raise failure(status, {}, body, key_from)
    usage = whole.get("usage")
    counts = (_count(usage, "prompt_tokens"), _count(usage, "completion_tokens"))
    try:
        text, reason, thought = _said(whole, body)
    except (Again, ItemError) as error:
        error.used = counts if any(counts) else None
        raise
    return Said(text, _legible(str(whole.get("model") or "")), reason, *counts, thought)


def _said(whole: Mapping[str, Any], body: str) -> tuple[str, str, str]:
    """Text, reason for its end and chain of thought of an answer."""
    choices = whole.get("choices")
    if not isinstance(choices, list) or not choices or not isinstance(choices[0], Mapping):
        raise _bad(body, "the answer has no choices")
    message, reason = choices[0].get("message"), str(choices[0].get("finish_reason") or "stop")
    if not isinstance(message, Mapping):
        raise _bad(body, "the answer has no message")
    text, thought = _text_of(message.get("content")), message.get("reasoning") or message.get("reasoning_content")
    if reason == "content_filter" or (not text and message.get("refusal")):
        raise ItemError("content-filter", f"the server holds the reply back ({message.get('refusal') or reason})")
    if text is None or not text.strip():
        if thought or reason == "length":
            raise ItemError(
                "no-answer",
                "the model said no word in the tokens that it had: give its client a larger `longer`, which is how "
                "many times as many it gets at a second try, or tell it to think less (`extra`)",
            )
        raise _bad(body, "the message has no text" if text is None else "the message is empty")
    return text, reason, str(thought or "")


def may_lack_pictures(error: Again | ItemError) -> bool:
    """Whether a server may say so because it no longer has a picture."""
    return error.reason in ("server-error", "refused")


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds to wait, from `Retry-After-Ms` or `Retry-After` (seconds or an HTTP date); None where there is none."""
    for name, unit in (("retry-after-ms", 1e-3), ("retry-after", 1.0)):
        value = headers.get(name)
        if value is None:
            continue
        try:
            seconds = float(value) * unit
        except ValueError:
            try:
                seconds = email.utils.parsedate_to_datetime(value).timestamp() - time.time()
            except (ValueError, TypeError, OverflowError):  # a year or a time zone that there is not
                continue
        if math.isfinite(seconds):
            return max(0.0, seconds)
    return None


def _bad(body: str, what: str) -> Again:
    same = f"bad-reply {what} {sha256_bytes(body.encode(errors='replace'))}"
    return Again("bad-reply", f"{what}: {_shown(body)}", same=same)


def _json_of(body: str) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def _error_of(body: str) -> Mapping[str, Any]:
    """The error that a body names; servers write it below "error", as a text there, or at the top."""
    whole = _json_of(body)
    if not isinstance(whole, Mapping):
        return {}
    error = whole.get("error", whole)
    return error if isinstance(error, Mapping) else {"message": error}


def _text_of(content: Any) -> str | None:
    """A text, or the texts of a list of parts."""
    if isinstance(content, list):
        texts = [part.get("text") for part in content if isinstance(part, Mapping)]
        return _legible("".join(text for text in texts if isinstance(text, str)))
    return _legible(content) if isinstance(content, str) else None


def _legible(text: str) -> str:
    """Without halves of surrogate pairs, which JSON can hold and no file: a server cut a character in two."""
    return text.encode("utf-8", "ignore").decode()


def _count(usage: Any, name: str) -> int:
    value = usage.get(name) if isinstance(usage, Mapping) else None
    return value if type(value) is int and 0 <= value <= MOST_TOKENS else 0


def _shown(text: str) -> str:
    text = " ".join(_legible(text).split())
    return text if len(text) <= SHOWN else text[:SHOWN] + "..."
