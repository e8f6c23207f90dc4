"""RDE's parameter groups: IRRA's, and the layers of token selection at a rate of their own (`solver/build.py`)."""

from __future__ import annotations

import math
from typing import Any

from torch import nn

from tbpsbench.engine.param_groups import ParamGroups
from tbpsbench.errors import ConfigError
from tbpsbench.registry import PARAM_GROUPS


@PARAM_GROUPS.register()
class RDEGroups(ParamGroups):
    """Biases at twice the rate and without decay, everything in the new layers at `new_lr`, the rest as configured.

    A bias is, as in the released code, a parameter with "bias" in its name; weights of norms decay.

    Args:
        new: beginnings of the names of new parameters.
        new_lr: their rate, whatever the base rate is; their biases do not decay either.
        bias_lr_mult: factor of the other biases' rate.

    Raises:
        ValueError: if a rate or factor is negative or not finite.
    """

    def __init__(self, new: tuple[str, ...] = ("heads.tse.",), new_lr: float = 1e-3, bias_lr_mult: float = 2.0) -> None:
        if not (0 <= new_lr < math.inf and 0 <= bias_lr_mult < math.inf):
            raise ValueError(f"new_lr ({new_lr}) and bias_lr_mult ({bias_lr_mult}) must be finite and not negative")
        self.new, self.new_lr, self.bias_lr_mult = tuple(new), new_lr, bias_lr_mult

    def __call__(self, model: nn.Module, lr: float, weight_decay: float) -> list[dict[str, Any]]:
        """One group per combination of rate and decay, in order of appearance."""
        parameters = {name: p for name, p in model.named_parameters() if p.requires_grad}
        for beginning in self.new:
            if not any(name.startswith(beginning) for name in parameters):
                tops = sorted({".".join(name.split(".")[:2]) for name in parameters})
                raise ConfigError(
                    f"param_groups.new: no parameter begins with {beginning!r}. They begin with: {', '.join(tops)}"
                )
        groups: dict[tuple[float, float], dict[str, Any]] = {}
        for name, parameter in parameters.items():
            is_bias = "bias" in name
            rate = lr * self.bias_lr_mult if is_bias else lr
            key = (self.new_lr if name.startswith(self.new) else rate, 0.0 if is_bias else weight_decay)
            group = groups.setdefault(key, {"params": [], "lr": key[0], "weight_decay": key[1], "name": name})
            group["params"].append(parameter)
        return list(groups.values())
