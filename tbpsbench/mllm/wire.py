"""Requests in the words of the chat-completions API: pictures first, the question last, always in the object form."""

from __future__ import annotations

import base64
from collections.abc import Callable, Collection, Mapping
from typing import Any

from tbpsbench.mllm.messages import Message, Picture, Request

NO_THINKING = {"chat_template_kwargs": {"enable_thinking": False}}


def body_of(
    request: Request,
    model: str,
    sent: Mapping[str, Picture],
    *,
    uuid: bool = False,
    kept: Collection[str] = (),
    schema: bool = False,
    length_key: str = "max_tokens",
) -> dict[str, Any]:
    """The body of a request.

    Args:
        request: what is asked.
        model: the model's name on the server.
        sent: the form in which each picture is sent, by its hash.
        uuid: whether a picture's hash stands beside it.
        kept: hashes of pictures that the server keeps; they are named and not sent.
        schema: whether the request's schema is sent.
        length_key: what the server calls the longest reply.
    """

    def shown(picture: Picture) -> dict[str, Any]:
        form = sent[picture.sha256]
        if uuid and form.sha256 in kept:
            return {"type": "image_url", "image_url": None, "uuid": form.sha256}
        part = {"type": "image_url", "image_url": {"url": data_url(form)}}
        return part | ({"uuid": form.sha256} if uuid else {})

    body: dict[str, Any] = {
        "model": model,
        "messages": [_message(message, shown) for message in request.messages],
        length_key: request.max_tokens,
        "temperature": request.temperature,
    }
    if schema and request.schema is not None:
        named = {"name": "reply", "schema": dict(request.schema), "strict": True}
        body["response_format"] = {"type": "json_schema", "json_schema": named}
    return body


def data_url(picture: Picture) -> str:
    """A picture as text, e.g. "data:image/png;base64,..."."""
    return f"data:{picture.mime};base64,{base64.b64encode(picture.data).decode()}"


def _message(message: Message, shown: Callable[[Picture], dict[str, Any]]) -> dict[str, Any]:
    if not message.pictures:
        return {"role": message.role, "content": message.text}
    parts = [shown(picture) for picture in message.pictures]
    return {"role": message.role, "content": [*parts, {"type": "text", "text": message.text}]}
