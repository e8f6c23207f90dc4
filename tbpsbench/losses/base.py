"""What a loss promises: a value from named features, and the per-sample values behind it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping

from torch import nn

from tbpsbench.types import Batch, Features, LossOutput


class Loss(nn.Module, ABC):
    """Base of the slot LOSSES; register with `requires=` the constructor arguments that name its features.

    Attributes:
        reads_padding: text roles that it reads to the end, padding included; the model does not cut them.
        balanced: whether a balancer weighs this loss against others unless told otherwise. Regularisers, which are to
            stay as weak as they were made, say False.
        progress_buffers: names of its buffers that count how far a training has got: a run that starts from a trained
            system (`load_from`) takes its weights, and counts anew.
        at_least: arguments that must not be below a fact of the training data, e.g. {"num_ids": "num_train_ids"}; each
            is an attribute of its name, too. A run that breaks this is refused before its first step.

    Context arguments: `dims`, a dict from feature name to width, for losses with projections of their own.
    """

    reads_padding: tuple[str, ...] = ()
    balanced: bool = True
    progress_buffers: tuple[str, ...] = ()
    at_least: Mapping[str, str] = {}

    @abstractmethod
    def forward(self, features: Features, batch: Batch) -> LossOutput:
        """The loss of this batch; under several processes, of the joined batch."""
