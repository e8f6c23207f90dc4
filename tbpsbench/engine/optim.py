"""The optimiser: by name, torch's or a plug-in's; parameter groups, accumulation, clipping, mixed precision."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from mmengine.optim import AmpOptimWrapper, OptimWrapper
from torch import nn

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

    Raises:
        ConfigError: if a pattern matches no parameter, nothing is left to train, a group's rate or decay is negative or
            not finite, or the optimiser refuses a value.
    """
    arguments = {key: value for key, value in config.items() if key != "type"}
    grouping = registry.PARAM_GROUPS.build(groups or {"type": "PatternGroups"}, "param_groups")
    parameters = grouping(model, float(config["lr"]), float(config.get("weight_decay", 0.0)))
    if not parameters:
        raise ConfigError("param_groups: every parameter is frozen, nothing is left to train")
    for group in parameters:
        for key in ("lr", "weight_decay"):
            if not 0 <= group.get(key, 0.0) < math.inf:
                raise ConfigError(
                    f"param_groups: the group of {group.get('name') or 'unnamed parameters'} has {key}={group[key]!r}, "
                    "expected a finite number that is 0 or more"
                )
    if config["type"] in FUSED and not {"fused", "foreach"} & set(arguments):
        arguments["fused"] = True
    try:
        optimizer: torch.optim.Optimizer = registry.OPTIMIZERS.get(config["type"])(parameters, **arguments)
    except Exception as error:  # a plug-in's may be any
        raise ConfigError(f"optimizer: {config['type']}: {error}") from error
    return optimizer


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
