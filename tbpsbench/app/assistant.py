"""A multimodal model beside the person: it judges pictures and answers questions when the person asks it to."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tbpsbench.app.systems import Systems
from tbpsbench.app.talk import Talk, settled
from tbpsbench.arguments import did_you_mean
from tbpsbench.config.load import load_config
from tbpsbench.errors import ConfigError, TBPSError
from tbpsbench.interaction.play import Cast
from tbpsbench.interaction.turns import Done, Judge
from tbpsbench.mllm.base import MLLMClient
from tbpsbench.mllm.meter import Budget, Meter
from tbpsbench.mllm.open import open_client

# Candidates that a model judges in one go: a person waits for it.
JUDGED_AT_ONCE = 8


@dataclass
class ChatConfig:
    """A config of tools/chat.py --mllm.

    Attributes:
        mllm: MLLM_CLIENTS component that judges and answers.
        judge: another one that judges.
        reconstructor: one that makes one query of the query and the answers; None: sentences after one another.
        budget: of all visitors together: dict(calls=, tokens=, usd=).
        name: of the config.
    """

    mllm: dict[str, Any]
    judge: dict[str, Any] | None = None
    reconstructor: dict[str, Any] | None = None
    budget: dict[str, float] | None = None
    name: str | None = None


def read_config(path: Path) -> ChatConfig:
    """Read such a config.

    Raises:
        ConfigError: if a key is unknown, missing or no component.
    """
    values = load_config(path).values
    known = list(inspect.signature(ChatConfig).parameters)
    for key in values:
        if key not in known:
            raise ConfigError(
                f"{path}: {key}: there is no such key.{did_you_mean(key, known)} Keys: {', '.join(known)}"
            )
    if not isinstance(values.get("mllm"), dict):
        raise ConfigError(f"{path}: names no model: mllm = dict(type='OpenAICompatible', model=..., base_urls=[...])")
    budget = values.get("budget")
    if budget is not None and (not isinstance(budget, dict) or set(budget) - set(inspect.signature(Budget).parameters)):
        raise ConfigError(f"{path}: budget is {budget!r:.80}, expected some of dict(calls=, tokens=, usd=)")
    return ChatConfig(**values)


class Assistant:
    """The models of a config.

    Args:
        config: what `read_config` read.
        place: its file, for messages.
    """

    def __init__(self, config: ChatConfig, place: str) -> None:
        self._config, self._place = config, place
        self._stack = AsyncExitStack()
        self._cast: Cast | None = None
        self.names = ", ".join(
            dict.fromkeys(str(part.get("model", part["type"])) for part in self._parts().values() if "type" in part)
        )

    def _parts(self) -> Mapping[str, dict[str, Any]]:
        found = {name: getattr(self._config, name) for name in ("mllm", "judge", "reconstructor")}
        return {name: part for name, part in found.items() if part is not None}

    async def open(self) -> None:
        """Ask every server whether it is there; once.

        Raises:
            TBPSError: if one is not, or the config is wrong.
        """
        if self._cast is not None:
            return
        meter = Meter(Budget(**(self._config.budget or {})))  # type: ignore[arg-type]
        clients: dict[str, MLLMClient] = {}
        for name, part in self._parts().items():
            client = open_client(part, f"{self._place}: {name}", meter=meter)
            clients[name] = await self._stack.enter_async_context(client)
            await client.probe()
        mllm = clients["mllm"]
        self._cast = Cast(clients.get("judge", mllm), mllm, clients.get("reconstructor"))

    async def close(self) -> None:
        """Let the clients go."""
        await self._stack.aclose()

    async def look(self, systems: Systems, talk: Talk) -> tuple[Talk, str]:
        """Let the model judge the next candidates until one fits, and answer what the query leaves open about it.

        Returns:
            The search after that, and why the model could not go on; "" where it could.
        """
        assert self._cast is not None, "open() first"
        session = replace(talk.first, rules=replace(talk.first.rules, answerer="anchor"))
        judged, why = 0, ""
        while not isinstance(step := session.step(), Done):
            judged += isinstance(step, Judge)
            if judged > JUDGED_AT_ONCE:
                break
            try:
                session = await self._cast.once(session, systems.picture_file)
            except TBPSError as error:
                why = str(error)
                break
            talk = talk.taking(session.turns[-1])
        return await settled(systems, talk), why
