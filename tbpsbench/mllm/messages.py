"""What is asked of a model and what it says: pictures, messages, requests, replies."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any, Literal

from tbpsbench.errors import ConfigError
from tbpsbench.files import sha256_bytes
from tbpsbench.mllm.arguments import LARGEST, require_numbers

Role = Literal["system", "user", "assistant"]
Task = Literal["caption", "answer", "merge", "dual", "mask", "style", "judge"]


@dataclass(frozen=True)
class Picture:
    """An image file as it lies on the disk; a client enlarges it before sending where it is too small.

    Attributes:
        data: the file's bytes.
        mime: e.g. "image/png".
    """

    data: bytes
    mime: str = "image/png"

    @cached_property
    def sha256(self) -> str:
        """Of the file's bytes, 64 hexadecimal digits."""
        return sha256_bytes(self.data)

    def __repr__(self) -> str:
        return f"Picture({self.mime}, {len(self.data)} bytes, {self.sha256[:8]})"


@dataclass(frozen=True)
class Message:
    """One turn of a conversation; pictures are sent before the text, so that a server can reuse what it has read.

    Attributes:
        role: who speaks.
        text: what is said.
        pictures: shown with it.
    """

    role: Role
    text: str
    pictures: tuple[Picture, ...] = ()


@dataclass(frozen=True)
class Request:
    """One question.

    Attributes:
        messages: the conversation; the last message is the user's.
        max_tokens: longest reply.
        temperature: 0 for the likeliest reply.
        schema: JSON schema that the reply must follow; sent where the server obeys it, so check the reply anyway.
        prompt: name and version of the prompt, part of the cache key.
        attempt: number of the try, from 0: a question that is asked again must not be answered from the cache.
        task, topic, texts: what kind of question it is, the slots that it asks about, the texts that it holds.
        claims: what these texts say, factor by factor (captions/reading.py).
            `Simulated` alone reads these four, who cannot read prompts; they are never sent and no part of the key.

    Raises:
        ConfigError: for a temperature or a length that is none.
    """

    messages: tuple[Message, ...]
    max_tokens: int
    temperature: float
    schema: Mapping[str, Any] | None = None
    prompt: str = ""
    attempt: int = 0
    task: Task = "caption"
    topic: tuple[str, ...] = ()
    texts: tuple[str, ...] = ()
    claims: tuple[tuple[str, tuple[str, ...]], ...] = ()

    def __post_init__(self) -> None:
        try:
            require_numbers(0, temperature=self.temperature)
            require_numbers(1, whole=True, max_tokens=self.max_tokens)
        except ValueError as error:  # both come from a config, whose check does not know every range
            raise ConfigError(str(error)) from None

    @property
    def pictures(self) -> tuple[Picture, ...]:
        """All pictures, in the order in which they are shown."""
        return tuple(picture for message in self.messages for picture in message.pictures)

    def plain(self) -> dict[str, Any]:
        """All that decides the reply, as plain data; pictures by their hashes."""
        return {
            "messages": [
                {"role": m.role, "text": m.text, "pictures": [[p.mime, p.sha256] for p in m.pictures]}
                for m in self.messages
            ],
            "max_tokens": self.max_tokens,
            "temperature": self.temperature,
            "schema": self.schema,
            "prompt": self.prompt,
            "attempt": self.attempt,
        }

    def key(self, model: str) -> str:
        """What a reply of `model` to this request is stored under: a SHA-256 in hexadecimal digits."""
        whole = json.dumps([model, self.plain()], sort_keys=True, ensure_ascii=False, default=dict)
        return hashlib.sha256(whole.encode()).hexdigest()


@dataclass(frozen=True)
class Reply:
    """What a model said.

    Attributes:
        text: its words, never empty; not validated beyond that.
        model: as the server names it.
        finish_reason: "stop", or "length" where it was cut off.
        prompt_tokens, completion_tokens: as the server counts them, 0 where it does not; of all calls, failed ones and
            a reply that was cut off and asked for again included.
        seconds: from sending to the last byte, of the call that succeeded.
        cached: whether it comes from the reply cache or a recording.
        server: who answered, e.g. a base URL.
        calls: requests that were sent for it, failed ones included; 0 where cached.
    """

    text: str
    model: str
    finish_reason: str = "stop"
    prompt_tokens: int = 0
    completion_tokens: int = 0
    seconds: float = 0.0
    cached: bool = False
    server: str = ""
    calls: int = 1

    def plain(self) -> dict[str, Any]:
        """As plain data."""
        return asdict(self)

    @classmethod
    def of(cls, data: Mapping[str, Any], **changes: Any) -> Reply:
        """From plain data; raises TypeError for unknown or missing keys, and for values that no reply has."""
        found = cls(**{**data, **changes})
        for name, kind in (("text", str), ("model", str), ("finish_reason", str), ("server", str), ("cached", bool)):
            if not isinstance(value := getattr(found, name), kind):
                raise TypeError(f"{name} is {value!r:.80}, expected {kind.__name__}")
        for name in ("prompt_tokens", "completion_tokens", "seconds", "calls"):
            value = getattr(found, name)
            if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value <= LARGEST:
                raise TypeError(f"{name} is {value!r:.80}, expected a number of 0 or more")
        return found
