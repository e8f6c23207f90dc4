"""What a client promises: a request in, a reply out (slot MLLM_CLIENTS)."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import asdict, dataclass
from types import TracebackType
from typing import Any, Self

from tbpsbench.mllm.messages import Reply, Request
from tbpsbench.mllm.meter import Meter, Price


@dataclass(frozen=True)
class Capabilities:
    """What a model and its server were found to do when they were tried at start.

    Attributes:
        images: whether a picture is accepted and read.
        schema: whether replies follow a JSON schema that is sent with the request.
        image_uuid: whether a picture that was sent once can be named by its hash from then on.
        thinking: "none" (the model does not), "off" (it does, and was told not to), "on" (it cannot be stopped).
        notes: what else was found, for the record.
    """

    images: bool = True
    schema: bool = False
    image_uuid: bool = False
    thinking: str = "none"
    notes: tuple[str, ...] = ()

    def plain(self) -> dict[str, Any]:
        """As plain data, for a manifest."""
        return asdict(self)


class MLLMClient(ABC):
    """Base of the slot MLLM_CLIENTS. Safe to be asked many times at once in one event loop; use it with `async with`.

    Attributes:
        name: the model's name, part of the cache key and of every record made with it. Two clients whose replies may
            differ for reasons that a request does not show have different names.
        simulated: whether no model is asked; every record made with it says so.
        price: of its tokens, where known.
        meter: counts calls, tokens and money, and stops the run at a budget. Shared by the clients of a run.
    """

    name: str
    simulated: bool = False
    price: Price | None = None
    meter: Meter

    def __init__(self) -> None:
        self.meter = Meter()

    @abstractmethod
    async def ask(self, request: Request) -> Reply:
        """Ask once, however many calls that takes.

        Raises:
            ItemError: if this request cannot be answered; others can.
            StopRun: if no request can be answered any more.
        """

    def room(self, request: Request) -> int:
        """Tokens that a reply may take in the end, where one that was cut off is asked for again with more of them."""
        return request.max_tokens

    async def probe(self) -> Capabilities:
        """Try what the model can do; once, before the first request. A client that is not probed assumes little.

        Raises:
            StopRun: if it cannot be asked at all.
        """
        return Capabilities()

    def describe(self) -> dict[str, Any]:
        """Who answers and how, as plain data for a manifest; no keys or passwords."""
        return {"client": type(self).__name__, "model": self.name, "simulated": self.simulated}

    async def close(self) -> None:  # noqa: B027 - most have nothing to close
        """Let go of connections and files; may be called twice."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()
