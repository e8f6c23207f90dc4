"""What a parameter grouping promises: groups for the optimiser, and a table of what got which rate."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

from torch import nn


class ParamGroups(ABC):
    """Base of the slot PARAM_GROUPS."""

    @abstractmethod
    def __call__(self, model: nn.Module, lr: float, weight_decay: float) -> list[dict[str, Any]]:
        """Groups `{"params": [...], "lr": ..., "weight_decay": ..., "name": ...}` that hold every trainable parameter
        once; those that are left out must not require a gradient.

        Raises:
            ConfigError: if a rule matches no parameter.
        """
