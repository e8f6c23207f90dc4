"""Parts that `param_groups` freeze stay as they are: batch norm would go on averaging what it sees."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from mmengine.hooks import Hook as EngineHook
from torch import Tensor, nn


class KeepStatistics(EngineHook):
    """Keep normalisation layers of frozen parts in evaluation mode, so that their running statistics stay.

    Dropout of such parts goes on: whoever wants none says so in the config. Parts that never learnt from gradients, as
    a teacher that follows the model's weights, are left alone.

    Args:
        model: what is trained, before `param_groups` freeze any of it.
    """

    priority = "HIGHEST"  # the config's hooks may run the model, too

    def __init__(self, model: nn.Module) -> None:
        self.model = model
        self.learnable = {id(parameter) for parameter in model.parameters() if parameter.requires_grad}
        self.parts: list[nn.Module] = []

    def before_train(self, runner: Any) -> None:  # noqa: ARG002
        """See what is frozen."""
        self.parts = list(self._found(self.model, frozen=False))

    def before_train_epoch(self, runner: Any) -> None:  # noqa: ARG002
        """A validation has put the whole model back into training mode."""
        for part in self.parts:
            part.eval()

    def before_train_iter(self, runner: Any, batch_idx: int, data_batch: Any = None) -> None:  # noqa: ARG002
        """So has mmengine, or a hook that evaluated the model."""
        self.before_train_epoch(runner)

    def _found(self, module: nn.Module, *, frozen: bool) -> Iterator[nn.Module]:
        """Layers with running statistics; one without learnable parameters is as frozen as the part that it is in."""
        learnable = [parameter for parameter in module.parameters() if id(parameter) in self.learnable]
        if learnable:
            frozen = not any(parameter.requires_grad for parameter in learnable)
        if frozen and isinstance(getattr(module, "running_mean", None), Tensor):
            yield module
        for child in module.children():
            yield from self._found(child, frozen=frozen)
