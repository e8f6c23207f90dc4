"""mmengine's validation loop for retrieval: gallery and queries are two sets, features travel as tensors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mmengine.model import is_model_wrapper
from mmengine.runner import BaseLoop

from tbpsbench.distributed import share_buffers
from tbpsbench.model.base import SearchModel

Score = Callable[[SearchModel], dict[str, float]]


class RetrievalLoop(BaseLoop):
    """Evaluate one split at the end of an epoch.

    Args:
        runner: mmengine's runner.
        dataloader, evaluator: what mmengine passes; not used.
        score: evaluates a model. A plain function: mmengine copies everything else that a loop is built with, data
            included.
    """

    def __init__(self, runner: Any, dataloader: Any, evaluator: Any, score: Score) -> None:  # noqa: ARG002
        super().__init__(runner, dataloader)
        self.score = score

    def run(self) -> dict[str, float]:
        """Score the split with the model that the first process saves, hand the scores to the hooks, return them."""
        self.runner.call_hook("before_val")
        self.runner.call_hook("before_val_epoch")
        model = self.runner.model.module if is_model_wrapper(self.runner.model) else self.runner.model
        share_buffers(model)
        scores = self.score(model)
        self.runner.call_hook("after_val_epoch", metrics=scores)
        self.runner.call_hook("after_val")
        return scores
