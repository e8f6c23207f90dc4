"""What every request must obey, before anything of ours reads it: its host, its origin, its size and its form."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, MutableMapping
from typing import Any, TypeAlias

Scope: TypeAlias = MutableMapping[str, Any]
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
ASGI: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]

# A form with the longest query, percent-encoded; a session that is opened again.
MAX_BODY, MAX_SESSION = 65_536, 2_000_000
MAX_URL = 2_048
FORM = b"application/x-www-form-urlencoded"
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = [
    (b"content-security-policy", POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), microphone=(), geolocation=()"),
    (b"cache-control", b"no-store"),
]


class Guard:
    """Refuse what no page of ours sends.

    Args:
        app: that gets the rest.
        hosts: values of the header Host that are ours; any other name may point to this machine on somebody else's
            behalf (DNS rebinding).
        large: paths whose bodies may be `MAX_SESSION` long.
    """

    def __init__(self, app: ASGI, hosts: Collection[str], large: Collection[str] = ()) -> None:
        self.app, self.hosts, self.large = app, {host.lower().encode() for host in hosts}, frozenset(large)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request (ASGI)."""
        if scope["type"] == "lifespan":
            return await self.app(scope, receive, send)
        if scope["type"] != "http":
            return await send({"type": "websocket.close", "code": 1008})

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", []), *HEADERS]
            await send(message)

        limit = MAX_SESSION if scope["path"] in self.large else MAX_BODY
        if refused := self._refused(scope, limit):
            return await _refuse(sending, *refused)
        if scope["method"] != "POST":
            return await self.app(scope, receive, sending)
        body = await _body(receive, limit)
        if body is None:
            return await _refuse(sending, 413, _too_long(limit))

        async def again() -> Message:
            return {"type": "http.request", "body": body, "more_body": False}

        return await self.app(scope, again, sending)

    def _refused(self, scope: Scope, limit: int) -> tuple[int, str] | None:
        headers: dict[bytes, bytes] = {}
        for name, value in scope["headers"]:
            if name in (b"host", b"origin", b"content-length", b"content-type") and name in headers:
                return 400, f"two headers {name.decode()}"
            headers[name] = value
        host = headers.get(b"host", b"").lower()
        if host not in self.hosts:
            return 421, "this page is not served under that name (see --allow-host)"
        if len(scope.get("raw_path") or b"") + len(scope.get("query_string") or b"") > MAX_URL:
            return 414, f"an address of more than {MAX_URL} characters"
        if scope["method"] not in ("GET", "HEAD", "POST"):
            return 405, "only GET and POST"
        if headers.get(b"sec-fetch-site", b"same-origin") not in (b"same-origin", b"none") and (
            scope["method"] == "POST" or headers.get(b"sec-fetch-mode") != b"navigate"
        ):
            return 403, "another site asked for this"
        if scope["method"] == "POST":
            if headers.get(b"origin") not in (b"http://" + host, b"https://" + host):
                return 403, "this was not sent from this page"
            if headers.get(b"content-type", b"").partition(b";")[0].strip().lower() != FORM:
                return 415, "expected a form"
            length = headers.get(b"content-length", b"0")
            if not length.isdigit() or int(length[:12]) > limit:
                return 413, _too_long(limit)
        return None


async def _body(receive: Receive, limit: int) -> bytes | None:
    """The whole body; None where it is longer than allowed, of which no more is read then."""
    parts, length = list[bytes](), 0
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return b""
        part = message.get("body", b"")
        length += len(part)
        if length > limit:
            return None
        parts.append(part)
        if not message.get("more_body"):
            return b"".join(parts)


async def _refuse(send: Send, status: int, why: str) -> None:
    body = f"Refused: {why}.\n".encode()
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", str(len(body)).encode())]
    # What is left of a long body is not read: the connection ends.
    await send({"type": "http.response.start", "status": status, "headers": [*headers, (b"connection", b"close")]})
    await send({"type": "http.response.body", "body": body})


def _too_long(limit: int) -> str:
    return f"more than {limit:,} bytes"
