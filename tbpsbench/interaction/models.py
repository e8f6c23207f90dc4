"""The models of an evaluation: opened together, with one meter and one cache of replies for all that is asked."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from tempfile import TemporaryDirectory
from typing import Any

from tbpsbench.interaction.play import Cast, Spent
from tbpsbench.interaction.rules import Rules
from tbpsbench.mllm.base import MLLMClient
from tbpsbench.mllm.errors import StopRun
from tbpsbench.mllm.meter import Budget, Meter
from tbpsbench.mllm.open import open_client

PLACE = "evaluation.interactor"


class Models:
    """Who judges, answers and merges.

    Args:
        parts: "mllm", "judge", "reconstructor" -> MLLM_CLIENTS component, or None.
        template: nobody merges.
        rules: of the dialogues.
        temperature: of all replies.
        cache: SQLite file of replies; None keeps them for as long as this object lives.
        recording: JSON Lines of all requests and replies; of the other parts in files beside it.
        budget: of everything that is asked through this object.

    Attributes:
        described: the clients that were opened, with what each did.
        simulated: whether any of them asks no model.
    """

    def __init__(
        self,
        parts: Mapping[str, Mapping[str, Any] | None],
        template: bool,
        rules: Rules,
        temperature: float,
        cache: str | None,
        recording: str | None,
        budget: Mapping[str, Any],
    ) -> None:
        self.parts = {part: config for part, config in parts.items() if isinstance(config, Mapping)}
        self.template, self.rules, self.temperature = template, rules, temperature
        self.cache, self.recording, self.meter = cache, recording, Meter(Budget(**budget))
        self.described: list[dict[str, Any]] = []
        self.simulated = False
        self._replies: TemporaryDirectory[str] | None = None

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[Cast]:
        """The models, ready to play.

        Raises:
            StopRun: if one cannot be asked, or is to look at pictures and cannot.
            ConfigError, StorageError: see `open_client`.
        """
        async with AsyncExitStack() as stack:
            clients: dict[str, MLLMClient] = {}
            for part, config in self.parts.items():
                recording = self.recording if part == "mllm" or not self.recording else f"{self.recording}.{part}"
                client = open_client(
                    config, f"{PLACE}.{part}", meter=self.meter, cache=self._cache(), recording=recording
                )
                clients[part] = await stack.enter_async_context(client)
                if not (await client.probe()).images and self._looks(part):
                    raise StopRun(
                        f"{client.name} takes no images",
                        f"Name a multimodal model in {PLACE}.{part}=dict(model=...), or serve it with one",
                    )
            mllm = clients["mllm"]
            merger = None if self.template else clients.get("reconstructor", mllm)
            self.described = [{"part": part, **client.describe()} for part, client in clients.items()]
            self.simulated = any(client.simulated for client in clients.values())
            yield Cast(clients.get("judge", mllm), mllm, merger, temperature=self.temperature)

    def _looks(self, part: str) -> bool:
        """Whether who plays this part is shown pictures."""
        if part == "judge":
            return self.rules.judged
        judges = self.rules.judged and "judge" not in self.parts
        return part == "mllm" and (judges or self.rules.answerer in ("anchor", "oracle"))

    def _cache(self) -> str:
        """The file of replies; without one of the user's, one that is gone with this object."""
        if self.cache is not None:
            return self.cache
        if self._replies is None:
            self._replies = TemporaryDirectory(prefix="tbpsbench-replies-")
        return f"{self._replies.name}/replies.sqlite"


def require_answers(spent: Sequence[Spent]) -> None:
    """Refuse dialogues in which every request failed: their scores are those of the search alone.

    Raises:
        StopRun: if models were asked, and none of them said anything.
    """
    asked, failed = sum(sum(own.calls) for own in spent), sum(own.failed for own in spent)
    if asked and failed >= asked:
        raise StopRun(f"none of {asked} requests brought an answer", "Look at what the server says to one of them")
