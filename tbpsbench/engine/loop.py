"""mmengine's validation loop for retrieval: gallery and queries are two sets, features travel as tensors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mmengine.model import is_model_wrapper
from mmengine.runner import BaseLoop

from tbpsbench.data.build import Data
from tbpsbench.engine.evaluate import best_metric, evaluate


class RetrievalLoop(BaseLoop):
    """Evaluate one split at the end of an epoch.

    Args:
        runner: mmengine's runner.
        dataloader, evaluator: what mmengine passes; not used.
        data: the run's data.
        split: split to evaluate.
        section: the config's `evaluation` with defaults.
    """

    def __init__(
        self,
        runner: Any,
        dataloader: Any,
        evaluator: Any,  # noqa: ARG002
        data: Data,
        split: str,
        section: Mapping[str, Any],
    ) -> None:
        super().__init__(runner, dataloader)
        self.data, self.split, self.section = data, split, section

    def run(self) -> dict[str, float]:
        """Score the split, hand the scores to the hooks, return them."""
        self.runner.call_hook("before_val")
        self.runner.call_hook("before_val_epoch")
        model = self.runner.model.module if is_model_wrapper(self.runner.model) else self.runner.model
        scores = evaluate(model, self.data, self.split, self.section).flat()
        best_metric(self.section, scores)
        self.runner.call_hook("after_val_epoch", metrics=scores)
        self.runner.call_hook("after_val")
        return scores
