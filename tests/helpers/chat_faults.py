"""What a chat-completions server may answer: replies, and every kind of failure, down to the socket."""

from __future__ import annotations

import email.utils
import json
import time
from dataclasses import dataclass, field, replace
from typing import Any


@dataclass(frozen=True)
class Act:
    """One answer as it goes over the wire.

    Attributes:
        status, headers, body: of HTTP.
        delay: seconds before the first byte.
        drip: seconds before each byte of the body; 0 for all at once.
        how: "whole", or "reset" (TCP RST instead of an answer), "close" (nothing at all), "short" (half of the body
            that Content-Length promises), "half-head" (the connection ends within the headers), "garbage" (no HTTP).
    """

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    delay: float = 0.0
    drip: float = 0.0
    how: str = "whole"


def reply(text: Any, *, finish: str | None = "stop", prompt_tokens: int = 80, **message: Any) -> Act:
    """A good answer that says `text`."""
    tokens = len(str(text).split())
    choice = {"index": 0, "message": {"role": "assistant", "content": text, **message}, "finish_reason": finish}
    usage = {"prompt_tokens": prompt_tokens, "completion_tokens": tokens, "total_tokens": prompt_tokens + tokens}
    return json_act(200, {"id": "1", "object": "chat.completion", "model": "m", "choices": [choice], "usage": usage})


def json_act(status: int, value: Any, **headers: str) -> Act:
    """An answer of JSON; `retry_after="1"` becomes the header Retry-After."""
    named = {key.replace("_", "-"): text for key, text in headers.items()}
    return Act(status, {"content-type": "application/json", **named}, json.dumps(value).encode())


def error(status: int, code: str | None = None, message: str = "no", **headers: str) -> Act:
    """An error as OpenAI words it."""
    return json_act(status, {"error": {"message": message, "type": "error", "param": None, "code": code}}, **headers)


GOOD = reply("A man in a red coat.")
HTML = Act(200, {"content-type": "text/html"}, b"<html><body>Sign in</body></html>")


def soon(seconds: float) -> str:
    """An HTTP date so many seconds from now."""
    return email.utils.formatdate(time.time() + seconds, usegmt=True)


def faults() -> dict[str, Act]:
    """Everything that a request may meet once and survive: the next try is answered."""
    return {
        "429 retry-after 1": error(429, "rate_limit_exceeded", retry_after="1"),
        "429 retry-after-ms 300": error(429, "rate_limit_exceeded", retry_after_ms="300"),
        "429 retry-after date": error(429, "rate_limit_exceeded", retry_after=soon(2)),
        "429 retry-after 0": error(429, "rate_limit_exceeded", retry_after="0"),
        "429": error(429, "rate_limit_exceeded"),
        "429 retry-after nonsense": error(429, retry_after="soon"),
        "408": error(408),
        "409": error(409),
        "500": error(500),
        "502 html": Act(502, {"content-type": "text/html"}, b"<html>Bad Gateway</html>"),
        "503": error(503),
        "504 empty": Act(504),
        "529": error(529),
        "reset": Act(how="reset"),
        "close": Act(how="close"),
        "short body": replace(GOOD, how="short"),
        "half of the head": replace(GOOD, how="half-head"),
        "garbage": Act(how="garbage"),
        "silence": replace(GOOD, delay=600.0),
        "drip": replace(GOOD, drip=0.2),
        "truncated JSON": replace(GOOD, body=GOOD.body[: len(GOOD.body) // 2]),
        "html": HTML,
        "empty body": replace(GOOD, body=b""),
        "JSON of another kind": json_act(200, ["hello"]),
        "error in a 200": json_act(200, {"error": {"message": "overloaded", "code": 503}}),
        "error without a number in a 200": json_act(200, {"error": "out of memory"}),
        "choices null": json_act(200, {"choices": None}),
        "choices empty": json_act(200, {"choices": []}),
        "no message": json_act(200, {"choices": [{"finish_reason": "stop"}]}),
        "content null": reply(None),
        "content empty": reply(" \n"),
        "content a number": reply(7),
        "not UTF-8": replace(GOOD, body=GOOD.body.replace(b"coat", b"\xff\xfe{")[:-3]),
    }
