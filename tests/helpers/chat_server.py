"""A chat-completions server on raw sockets, scripted by tests and benchmarks.

    with ChatServer(lambda seen: reply("hello")) as server:
        client = OpenAICompatible("m", [server.url])

A script is a function of `Seen` that gives an `Act`, an awaitable of one, or None for the default behaviour (`Model`).
The server runs in a thread of its own; `python chat_server.py '{"slots": 24, ...}'` runs one until its input ends.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import inspect
import json
import socket
import struct
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from chat_faults import Act, error, json_act, reply


@dataclass
class Seen:
    """One request as it came in.

    Attributes:
        number: from 0, in order of arrival.
        path, headers: of HTTP; header names in lower case.
        body: the JSON, {} where there is none.
        size: bytes of the body.
        in_flight: requests being answered, this one included.
    """

    number: int
    path: str
    headers: dict[str, str]
    body: dict[str, Any]
    size: int
    in_flight: int

    @property
    def parts(self) -> list[dict[str, Any]]:
        """Content parts of the last message."""
        content = self.body["messages"][-1]["content"]
        return content if isinstance(content, list) else [{"type": "text", "text": content}]

    @property
    def text(self) -> str:
        """Text of the last message."""
        return "".join(part["text"] for part in self.parts if part["type"] == "text")

    @property
    def pictures(self) -> list[bytes | None]:
        """Image bytes of the last message; None for a picture that is only named."""
        urls = [part["image_url"] for part in self.parts if part["type"] == "image_url"]
        return [base64.b64decode(url["url"].partition(",")[2]) if url else None for url in urls]


@dataclass
class Model:
    """How the server behaves where the script says nothing.

    Attributes:
        text: what it says.
        latency: seconds that a reply takes.
        slots: more requests at a time are refused with 429; 0 for any number.
        serial: more requests at a time wait for each other; 0 for any number.
        retry_after: sent with a refusal; "" for none.
        keeps: whether pictures that were sent with a uuid may be named later.
        strict: whether keys that OpenAI's API does not know are refused with 422.
        obeys: whether a JSON schema's first enumerated word is said.
        thinks: whether it thinks before it speaks, unless told not to.
    """

    text: str = "A man in a red coat."
    latency: float = 0.0
    slots: int = 0
    serial: int = 0
    retry_after: str = ""
    keeps: bool = False
    strict: bool = False
    obeys: bool = False
    thinks: bool = False
    kept: set[str] = field(default_factory=set)
    working: asyncio.Semaphore | None = None

    async def answer(self, seen: Seen) -> Act:
        if self.slots and seen.in_flight > self.slots:
            return error(429, "rate_limit_exceeded", **({"retry_after": self.retry_after} if self.retry_after else {}))
        body = seen.body
        images = [part for part in seen.parts if part["type"] == "image_url"]
        if self.strict and (
            bad := [key for key in body if key == "chat_template_kwargs"] + [i for i in images if "uuid" in i]
        ):
            return error(422, message=f"Unexpected fields {bad!r:.100}")
        for part in images:
            if part["image_url"] is None and not (self.keeps and part.get("uuid") in self.kept):
                return error(400, message="image_url is null")
            if self.keeps and "uuid" in part:
                self.kept.add(part["uuid"])
        if self.serial:
            self.working = self.working or asyncio.Semaphore(self.serial)
            async with self.working:
                await asyncio.sleep(self.latency)
        else:
            await asyncio.sleep(self.latency)
        prompt_tokens = 10 + len(seen.text) // 4 + 70 * len(images)
        text = self.text
        if self.obeys and "response_format" in body:
            schema = body["response_format"]["json_schema"]["schema"]
            text = json.dumps({name: kind["enum"][0] for name, kind in schema["properties"].items() if "enum" in kind})
        thought = {}
        if self.thinks and body.get("chat_template_kwargs", {}).get("enable_thinking", True):
            thought = {"reasoning": "Hm."}
        return reply(text, prompt_tokens=prompt_tokens, **thought)


Script = Callable[[Seen], Any]


class ChatServer:
    """The server; a context manager.

    Args:
        script: see the head of this module.
        model: behaviour where the script gives None.
        port: 0 for a free one.
    """

    def __init__(self, script: Script | None = None, model: Model | None = None, port: int = 0) -> None:
        self.script, self.model, self.port = script, model or Model(), port
        self.seen: list[Seen] = []
        self.in_flight = self.most = 0
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def __enter__(self) -> ChatServer:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._start(), self._loop).result()
        return self

    def __exit__(self, *error: object) -> None:
        asyncio.run_coroutine_threadsafe(self._stop(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port, limit=2**24, backlog=512)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _stop(self) -> None:
        self._server.close()
        tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                first, *lines = head.decode("latin-1").split("\r\n")
                headers = {k.lower(): v.strip() for k, _, v in (line.partition(":") for line in lines if line)}
                raw = await reader.readexactly(int(headers.get("content-length", 0)))
                self.in_flight += 1
                self.most = max(self.most, self.in_flight)
                try:
                    body = json.loads(raw) if raw else {}
                    seen = Seen(len(self.seen), first.split()[1], headers, body, len(raw), self.in_flight)
                    self.seen.append(seen)
                    act = await self._act(seen)
                    open_still = await _send(writer, act)
                finally:
                    self.in_flight -= 1
                if not open_still:
                    return
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    async def _act(self, seen: Seen) -> Act:
        if seen.path.endswith("/models"):
            return json_act(200, {"object": "list", "data": [{"id": "m", "object": "model"}]})
        act = self.script(seen) if self.script else None
        if inspect.isawaitable(act):
            act = await act
        return act if act is not None else await self.model.answer(seen)


async def _send(writer: asyncio.StreamWriter, act: Act) -> bool:
    """Write an answer; False if the connection ends with it."""
    await asyncio.sleep(act.delay)
    if act.how == "reset":
        sock = writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        return False
    if act.how == "close":
        return False
    if act.how == "garbage":
        writer.write(b"\x00\x01 this is not HTTP\r\n\r\n")
        await writer.drain()
        return False
    lines = [
        f"HTTP/1.1 {act.status} X",
        f"content-length: {len(act.body)}",
        *(f"{k}: {v}" for k, v in act.headers.items()),
    ]
    head = "\r\n".join([*lines, "", ""]).encode()
    if act.how == "half-head":
        writer.write(head[:20])
        await writer.drain()
        return False
    body = act.body[: len(act.body) // 2] if act.how == "short" else act.body
    if act.drip:
        writer.write(head)
        for byte in body:
            writer.write(bytes([byte]))
            await writer.drain()
            await asyncio.sleep(act.drip)
    else:
        writer.write(head + body)
        await writer.drain()
    return act.how == "whole"


def digest(data: bytes) -> str:
    """SHA-256 in hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()


def main(options: Mapping[str, Any]) -> None:
    """Serve until standard input ends; writes the URL first, and last what was seen, as JSON."""
    with ChatServer(model=Model(**options)) as server:
        print(server.url, flush=True)
        sys.stdin.read()
        sizes = [seen.size for seen in server.seen]
        print(json.dumps({"requests": len(sizes), "bytes": sum(sizes), "most_in_flight": server.most}), flush=True)


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
