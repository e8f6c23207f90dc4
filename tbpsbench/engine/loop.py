"""mmengine's validation loop for retrieval: gallery and queries are two sets, features travel as tensors."""

from __future__ import annotations

from typing import Any

from mmengine.model import is_model_wrapper
from mmengine.runner import BaseLoop

from tbpsbench.config.schema import EvaluationSection
from tbpsbench.data.evaluation import EvaluationData
from tbpsbench.engine.evaluate import best_metric, evaluate
from tbpsbench.metrics.leaks import TrainingTexts


class RetrievalLoop(BaseLoop):
    """Evaluate one split at the end of an epoch.

    Args:
        runner: mmengine's runner.
        dataloader, evaluator: what mmengine passes; not used.
        data: queries and galleries of the run's data set.
        split: split to evaluate.
        section: the config's `evaluation`.
        training: what the leak guard must know of the training texts.
    """

    def __init__(
        self,
        runner: Any,
        dataloader: Any,
        evaluator: Any,  # noqa: ARG002
        data: EvaluationData,
        split: str,
        section: EvaluationSection,
        training: TrainingTexts,
    ) -> None:
        super().__init__(runner, dataloader)
        self.data, self.split, self.section, self.training = data, split, section, training

    def run(self) -> dict[str, float]:
        """Score the split, hand the scores to the hooks, return them."""
        self.runner.call_hook("before_val")
        self.runner.call_hook("before_val_epoch")
        model = self.runner.model.module if is_model_wrapper(self.runner.model) else self.runner.model
        scores = evaluate(model, self.data, self.split, self.section, self.training).flat()
        best_metric(self.section, scores)
        self.runner.call_hook("after_val_epoch", metrics=scores)
        self.runner.call_hook("after_val")
        return scores
