"""IRRA's learning rates: by substring of the released parameter name (released `solver/build.py`)."""

from __future__ import annotations

from typing import Any

from torch import nn

from tbpsbench.engine.param_groups import ParamGroups
from tbpsbench.registry import PARAM_GROUPS
from tbpsbench_irra.names import released_name

NEW_HEADS = ("classifier", "mlm_head")


@PARAM_GROUPS.register()
class IRRAGroups(ParamGroups):
    """Rates and decay of the released code; of several rules that match a name, the later one wins.

    1. "cross": rate x `lr_factor`.
    2. "bias": rate x `bias_lr_factor`, decay `weight_decay_bias`; also where rule 1 matched.
    3. "classifier", "mlm_head": rate x `lr_factor`, their biases too; decay stays as rule 2 left it.

    The norms around the cross-modal encoder (ln_pre_t, ln_pre_i, ln_post) match none and keep the base rate. A rule
    without a match is no error: models without one of the losses are part of IRRA's ablation.

    Args:
        lr_factor: of what is new.
        bias_lr_factor: of biases.
        weight_decay_bias: of biases.

    Raises:
        ValueError: if a factor is not positive or the decay negative.
    """

    def __init__(self, lr_factor: float = 5.0, bias_lr_factor: float = 2.0, weight_decay_bias: float = 0.0) -> None:
        if lr_factor <= 0 or bias_lr_factor <= 0 or weight_decay_bias < 0:
            raise ValueError(
                f"lr_factor ({lr_factor}) and bias_lr_factor ({bias_lr_factor}) must be positive, weight_decay_bias "
                f"({weight_decay_bias}) at least 0"
            )
        self.lr_factor, self.bias_lr_factor, self.weight_decay_bias = lr_factor, bias_lr_factor, weight_decay_bias

    def __call__(self, model: nn.Module, lr: float, weight_decay: float) -> list[dict[str, Any]]:
        """One group per combination of rate and decay, in order of appearance; what is frozen is left out."""
        groups: dict[tuple[float, float], dict[str, Any]] = {}
        for name, parameter in model.named_parameters():
            if parameter.requires_grad:
                key = self.settings(released_name(name), lr, weight_decay)
                group = groups.setdefault(key, {"params": [], "lr": key[0], "weight_decay": key[1], "name": name})
                group["params"].append(parameter)
        return list(groups.values())

    def settings(self, name: str, lr: float, weight_decay: float) -> tuple[float, float]:
        """(rate, decay) of the parameter that the released code calls `name`."""
        rate, decay = lr, weight_decay
        if "cross" in name:
            rate = lr * self.lr_factor
        if "bias" in name:
            rate, decay = lr * self.bias_lr_factor, self.weight_decay_bias
        if any(part in name for part in NEW_HEADS):
            rate = lr * self.lr_factor
        return rate, decay
