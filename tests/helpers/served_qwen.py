"""`transformers serve` with a tiny model on the loopback, and a way to pass requests on to it."""

from __future__ import annotations

import contextlib
import http.client
import importlib.util
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

SERVE = "from transformers.cli.transformers import main; main()"


@contextlib.contextmanager
def serving(model: Path, home: Path) -> Iterator[int]:
    """Port of a server with the model; its log and its hub are in `home`."""
    if not all(importlib.util.find_spec(name) for name in ("openai", "fastapi", "uvicorn")):
        pytest.skip("transformers serve needs openai and transformers[serving]")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    (home / "hub").mkdir()
    command = [sys.executable, "-c", SERVE, "serve", str(model), "--device", "cpu", "--host", "127.0.0.1"]
    environment = os.environ | {"HF_HUB_OFFLINE": "1", "HF_HOME": str(home)}
    with (home / "serve.log").open("wb") as log:
        process = subprocess.Popen(
            [*command, "--port", str(port)], env=environment, stdout=log, stderr=log, start_new_session=True
        )
    try:
        for _ in range(600):
            if process.poll() is not None or _healthy(port):
                break
            time.sleep(0.5)
        assert process.poll() is None, (home / "serve.log").read_text()[-2000:]
        yield port
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        process.wait()


def forwarded(port: int, method: str, path: str, body: str | None) -> tuple[int, bytes]:
    """Status and body of the server's answer."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    connection.request(method, path, body, {"content-type": "application/json"})
    answer = connection.getresponse()
    return answer.status, answer.read()


def _healthy(port: int) -> bool:
    try:
        return forwarded(port, "GET", "/health", None)[0] == 200
    except OSError:
        return False
