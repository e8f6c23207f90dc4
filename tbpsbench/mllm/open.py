"""A client as a run uses it: built from its config, with the run's meter, cache and recording around it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tbpsbench.mllm.base import MLLMClient
from tbpsbench.mllm.cache import Cached, ReplyCache
from tbpsbench.mllm.meter import Meter
from tbpsbench.mllm.recording import Recorded
from tbpsbench.registry import MLLM_CLIENTS


def open_client(
    config: Mapping[str, Any],
    path: str = "mllm",
    *,
    meter: Meter | None = None,
    cache: str | Path | None = None,
    recording: str | Path | None = None,
) -> MLLMClient:
    """Build a client.

    Args:
        config: `dict(type=..., ...)`.
        path: where it stands in the whole config, for messages.
        meter: of the run; clients that share it share its budget.
        cache: SQLite file with replies; one for all clients of a run.
        recording: file that each request and reply is appended to; one for each client.

    Raises:
        ConfigError: if the config is wrong or a package is missing.
        StorageError: if a file cannot be written.
    """
    client: MLLMClient = MLLM_CLIENTS.build(config, path)
    if meter is not None:
        client.meter = meter
    if cache is not None:
        client = Cached(client, ReplyCache(cache))
    if recording is not None:
        client = Recorded(client, recording)
    return client
