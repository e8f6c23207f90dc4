"""Forms as they come, and answers that are no page."""

from __future__ import annotations

from typing import TypeAlias
from urllib.parse import parse_qsl

from fastapi import Response
from fastapi.responses import PlainTextResponse

Form: TypeAlias = dict[str, str]


def read_form(body: bytes) -> Form | None:
    """The fields of a form, the first of each name; None where it cannot be read."""
    try:
        pairs = parse_qsl(body.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=8)
    except ValueError:
        return None
    return dict(reversed(pairs))


def slower(wait: float) -> Response:
    """To whoever asks too often: how long to wait."""
    seconds = str(int(wait) + 1)
    return PlainTextResponse(f"Too many requests. Try again in {seconds} s.\n", 429, headers={"retry-after": seconds})


def nothing() -> Response:
    """For everything that is not there, or not for this visitor."""
    return PlainTextResponse("There is nothing here.\n", 404)
