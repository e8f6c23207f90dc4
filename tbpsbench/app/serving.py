"""Starting the page: which names it answers to, what is said about it on the terminal."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence
from ipaddress import ip_address

import uvicorn
from threadpoolctl import threadpool_limits

from tbpsbench.app.assistant import Assistant
from tbpsbench.app.guard import Guard
from tbpsbench.app.server import make_app
from tbpsbench.app.systems import AT_ONCE, Systems
from tbpsbench.app.visitors import Visitors
from tbpsbench.errors import ConfigError, StorageError

LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
# Connections at a time; more are told to come back.
MOST_CONNECTIONS = 1000


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach an address."""
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def answered_hosts(host: str, port: int, allowed: Sequence[str]) -> list[str]:
    """Values of the header Host that the page answers to.

    Raises:
        ConfigError: if the page is open to others and nobody said under which name.
    """
    names = list(allowed)
    if is_loopback(host):
        names += [*LOOPBACK, host]
    elif not names:
        raise ConfigError(
            f"--host {host}: others can reach the page then, and it asks nobody who they are. If the pictures may be "
            "seen by them, say under which name: --allow-host my-machine.example"
        )
    found = []
    for name in names:
        has_port = name.rpartition(":")[2].isdigit() and not name.endswith("]")
        # Behind a proxy the standard port is not named.
        found += [name] if has_port else [f"{name}:{port}", *([name] if name in allowed or port == 80 else [])]
    return list(dict.fromkeys(found))


def address(host: str, port: int, allowed: Sequence[str]) -> str:
    """What a browser is given to open the page."""
    if allowed and not is_loopback(host):
        return next((name for name in allowed if ":" in name), f"{allowed[0]}:{port}")
    return f"[{host}]:{port}" if ":" in host and not host.startswith("[") else f"{host}:{port}"


def open_socket(host: str, port: int) -> socket.socket:
    """A listening socket; port 0 takes any that is free.

    Raises:
        StorageError: if the address is taken or not this machine's.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host.strip("[]"), port))
        listening.listen(2048)
    except (OSError, OverflowError) as error:
        listening.close()
        raise StorageError(f"--host {host} --port {port}: {error}. Choose another --port (0: any).") from None
    return listening


def settings(app: Guard) -> uvicorn.Config:
    """How the page is served."""
    return uvicorn.Config(
        app, log_level="warning", access_log=False, server_header=False, date_header=False,
        limit_concurrency=MOST_CONNECTIONS, timeout_graceful_shutdown=2, lifespan="on", ws="none", proxy_headers=False,
    )  # fmt: skip


def serve(
    systems: Systems,
    host: str,
    port: int,
    *,
    allowed: Sequence[str] = (),
    assistant: Assistant | None = None,
    visitors: Visitors | None = None,
) -> None:
    """Serve the page until it is interrupted; prints its address when it can be opened."""
    answered_hosts(host, port, allowed)
    listening = open_socket(host, port)
    port = listening.getsockname()[1]
    app = make_app(systems, answered_hosts(host, port, allowed), visitors=visitors, assistant=assistant)
    print(f"{len(systems)} pictures, {' and '.join(searched.name for searched in systems.searched)}")
    print(f"Open http://{address(host, port, allowed)}/   (Ctrl+C ends it)", flush=True)
    # A thread of NumPy's library keeps its processor busy after each product, and a small one does not need it.
    with threadpool_limits(1 if len(systems) <= AT_ONCE else None, "blas"):
        run(uvicorn.Server(settings(app)), listening, assistant)


def run(server: uvicorn.Server, listening: socket.socket, assistant: Assistant | None = None) -> None:
    """Serve until it is interrupted, on the quickest event loop that is installed."""
    with asyncio.Runner(loop_factory=server.config.get_loop_factory()) as runner:
        runner.run(_serve(server, listening, assistant))


async def _serve(server: uvicorn.Server, listening: socket.socket, assistant: Assistant | None) -> None:
    if assistant is not None:
        await assistant.open()  # here, where an error of the config ends the tool with a message
    await server.serve(sockets=[listening])
