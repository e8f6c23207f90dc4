"""Recorded replies instead of a model: a run again, without a server and for nothing."""

from __future__ import annotations

from typing import Any

from tbpsbench.errors import DataError
from tbpsbench.mllm.base import Capabilities, MLLMClient
from tbpsbench.mllm.errors import ItemError, StopRun
from tbpsbench.mllm.messages import Reply, Request
from tbpsbench.mllm.meter import Price
from tbpsbench.mllm.recording import read_recording
from tbpsbench.registry import MLLM_CLIENTS


@MLLM_CLIENTS.register()
class Replay(MLLMClient):
    """Answers as a recording (recording.py) says.

    Args:
        path: the recording.
        model: whose replies, where the recording holds several models'.

    Raises:
        DataError: if the recording is missing, damaged, empty or of another model.
    """

    price = Price(0.0, 0.0)

    def __init__(self, path: str, model: str | None = None) -> None:
        super().__init__()
        self.path = path
        replies: dict[str, dict[str, Reply | ItemError]] = {}
        for line in read_recording(path):
            own, key, outcome = replies.setdefault(str(line.get("model")), {}), line["key"], line["reply"]
            if key not in own or isinstance(outcome, Reply):  # what failed may have been answered later
                own[key] = outcome
        if not replies:
            raise DataError(f"{path}: holds no replies")
        if model is None and len(replies) > 1:
            raise DataError(f"{path}: holds replies of {', '.join(sorted(replies))}: say which, model=...")
        self.name = next(iter(replies)) if model is None else model
        if self.name not in replies:
            raise DataError(f"{path}: holds no replies of {model!r}, but of {', '.join(sorted(replies))}")
        self.simulated = self.name.startswith("simulated-")
        self._replies = replies[self.name]

    async def ask(self, request: Request) -> Reply:
        """The recorded reply.

        Raises:
            ItemError: if the request failed when it was recorded.
            StopRun: if there is none.
        """
        async with self.meter.call(request, self.price) as call:
            reply = self._replies.get(request.key(self.name))
            if reply is None:
                raise StopRun(
                    f"{self.path} holds no reply of {self.name} to a request with the prompt {request.prompt!r}",
                    "Prompts, pictures, max_tokens, temperature and schema must be those of the recording; record the "
                    "rest with the model itself.",
                )
            if isinstance(reply, ItemError):
                raise ItemError(reply.reason, reply.detail)
            call.answered(reply.prompt_tokens, reply.completion_tokens)
        return reply

    async def probe(self) -> Capabilities:
        """Nothing is tried."""
        return Capabilities(notes=(f"replayed: {len(self._replies)} recorded replies",))

    def describe(self) -> dict[str, Any]:
        """The recording."""
        return super().describe() | {"recording": self.path, "replies": len(self._replies)}
