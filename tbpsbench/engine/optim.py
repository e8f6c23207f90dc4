"""The optimiser: by name, torch's or a plug-in's; parameter groups, accumulation, clipping, mixed precision."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from mmengine.optim import AmpOptimWrapper, OptimWrapper
from torch import Tensor, nn

from tbpsbench import registry
from tbpsbench.config.schema import RuntimeSection
from tbpsbench.errors import ConfigError

FUSED = ("Adam", "AdamW", "SGD")


class AutocastOptimWrapper(OptimWrapper):
    """OptimWrapper whose forward passes run under bfloat16 autocast; bf16 needs no loss scaling and runs on the CPU."""

    @contextmanager
    def optim_context(self, model: nn.Module) -> Iterator[None]:
        """Autocast on the device of the model's parameters."""
        device = next(model.parameters()).device.type
        with super().optim_context(model), torch.autocast(device, dtype=torch.bfloat16):
            yield


def build_optimizer(
    config: Mapping[str, Any], groups: Mapping[str, Any] | None, model: nn.Module
) -> torch.optim.Optimizer:
    """Build the optimiser over the groups that the config asks for (default: one group).

    Adam, AdamW and SGD take one fused pass over the parameters unless the config says `fused` or `foreach`: equal but
    for rounding, and on the CPU, where torch walks over them one by one by default, about six times as fast.

    A weight decay that the config leaves out is the default of the optimiser's class, as for every other argument.

    Raises:
        ConfigError: if a pattern matches no parameter, nothing is left to train, groups leave out some of it, a group's
            rate or decay is negative or not finite, or the optimiser refuses a value.
    """
    arguments = {key: value for key, value in config.items() if key != "type"}
    grouping = registry.PARAM_GROUPS.build(groups or {"type": "PatternGroups"}, "param_groups")
    decay = config["weight_decay"] if "weight_decay" in config else _own_decay(config["type"], arguments)
    parameters = list(grouping(model, float(config["lr"]), float(decay)))
    if not parameters:
        raise ConfigError("param_groups: every parameter is frozen, nothing is left to train")
    _require_all(parameters, model, type(grouping).__name__)
    for group in parameters:
        for key in ("lr", "weight_decay"):
            if not 0 <= group.get(key, 0.0) < math.inf:
                raise ConfigError(
                    f"param_groups: the group of {group.get('name') or 'unnamed parameters'} has {key}={group[key]!r}, "
                    "expected a finite number that is 0 or more"
                )
    if config["type"] in FUSED and not {"fused", "foreach"} & set(arguments):
        arguments["fused"] = True
    return _optimizer(config["type"], parameters, arguments)


def _optimizer(name: str, parameters: Sequence[Any], arguments: Mapping[str, Any]) -> torch.optim.Optimizer:
    try:
        optimizer: torch.optim.Optimizer = registry.OPTIMIZERS.get(name)(parameters, **arguments)
    except Exception as error:  # a plug-in's may be any
        raise ConfigError(f"optimizer: {name}: {error}") from error
    return optimizer


def _own_decay(name: str, arguments: Mapping[str, Any]) -> float:
    """The weight decay of an optimiser that is told none; 0 for one that knows no such thing.

    Asked of an instance, not of the signature: a class may hand its defaults on to its base.
    """
    own = _optimizer(name, [nn.Parameter(torch.zeros(1, 1))], arguments).defaults.get("weight_decay")
    return float(own) if isinstance(own, int | float) else 0.0


def _require_all(groups: Sequence[dict[str, Any]], model: nn.Module, kind: str) -> None:
    """Refuse groups that leave out what is to be trained: it would stay as it was made, and nobody would notice.

    Args:
        groups: as a plug-in made them; parameters that come one by one are put into a list.
        model: what is trained; its frozen parameters may be anywhere.
        kind: the grouping's class, for the message.
    """
    there: set[int] = set()
    for group in groups:
        if not isinstance(group, dict) or "params" not in group:
            raise ConfigError(
                f"param_groups: {kind} gives a {type(group).__name__} as a group, expected dict(params=[...], lr=...)"
            )
        if isinstance(group["params"], Iterator):
            group["params"] = list(group["params"])
        own = [group["params"]] if isinstance(group["params"], Tensor) else group["params"]
        there |= {id(one[-1] if isinstance(one, tuple) else one) for one in own}  # torch takes (name, parameter), too
    left = [name for name, one in model.named_parameters() if one.requires_grad and id(one) not in there]
    if left:
        more = f" and {len(left) - 1} more" if len(left) > 1 else ""
        raise ConfigError(
            f"param_groups: {kind} leaves out {left[0]}{more}, which would not be trained. Put every parameter that "
            "requires a gradient into a group, or freeze it (requires_grad_(False))."
        )


def build_optim_wrapper(optimizer: torch.optim.Optimizer, runtime: RuntimeSection) -> OptimWrapper:
    """Wrap an optimiser for mmengine.

    Where gradients are accumulated, StartEpoch tells the wrapper when an epoch ends: what is left then makes a step of
    its own, so that no gradient waits while a checkpoint is written.

    Raises:
        ConfigError: if fp16 is asked for without CUDA.
    """
    clip = {"max_norm": runtime.clip_grad_norm} if runtime.clip_grad_norm is not None else None
    arguments: dict[str, Any] = {
        "optimizer": optimizer,
        "accumulative_counts": runtime.accumulate,
        "clip_grad": clip,
    }
    if runtime.amp == "bf16":
        return AutocastOptimWrapper(**arguments)
    if runtime.amp == "fp16":
        if not torch.cuda.is_available():
            raise ConfigError("runtime.amp='fp16' needs a CUDA device; use 'bf16' or None here")
        return AmpOptimWrapper(dtype="float16", **arguments)
    return OptimWrapper(**arguments)


def group_table(optimizer: torch.optim.Optimizer) -> list[dict[str, Any]]:
    """What each group holds: first parameter, tensors, values, rate, decay; for the log and the run card."""
    return [
        {
            "first": group.get("name", ""),
            "tensors": len(group["params"]),
            "values": sum(parameter.numel() for parameter in group["params"]),
            "lr": group["lr"],
            "weight_decay": group.get("weight_decay", 0.0),
        }
        for group in optimizer.param_groups
    ]
