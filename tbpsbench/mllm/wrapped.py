"""A client around a client: it passes everything on but what it is there for."""

from __future__ import annotations

from typing import Any

from tbpsbench.mllm.base import Capabilities, MLLMClient
from tbpsbench.mllm.messages import Reply, Request
from tbpsbench.mllm.meter import Meter, Price


class Wrapped(MLLMClient):
    """Base of the layers around a client (cache.py, recording.py).

    Args:
        inner: whom it wraps.
    """

    def __init__(self, inner: MLLMClient) -> None:
        self.inner = inner
        self.name, self.simulated = inner.name, inner.simulated

    @property
    def meter(self) -> Meter:  # type: ignore[override]
        """The inner client's."""
        return self.inner.meter

    @meter.setter
    def meter(self, meter: Meter) -> None:
        self.inner.meter = meter

    @property
    def price(self) -> Price | None:  # type: ignore[override]
        """The inner client's."""
        return self.inner.price

    async def ask(self, request: Request) -> Reply:
        return await self.inner.ask(request)

    def room(self, request: Request) -> int:
        return self.inner.room(request)

    async def probe(self) -> Capabilities:
        return await self.inner.probe()

    def describe(self) -> dict[str, Any]:
        return self.inner.describe()

    async def close(self) -> None:
        await self.inner.close()
