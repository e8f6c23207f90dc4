"""What the constructors of built-in components say of their values: the static check tries those that read nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import torch

from tbpsbench import registry
from tbpsbench.config.flat import flatten
from tbpsbench.config.places import components
from tbpsbench.config.resolve import PREFIX
from tbpsbench.config.schema import with_defaults
from tbpsbench.entries import Problem
from tbpsbench.errors import TBPSError

# Slots whose built-in constructors look at their arguments alone, or at what a config tells besides.
TRIED = (
    registry.DATASETS, registry.TRANSFORMS, registry.LOSSES, registry.METRICS, registry.RERANKERS, registry.BALANCERS,
)  # fmt: skip


def constructor_problems(values: Mapping[str, Any]) -> Iterator[Problem]:
    """Values of the right type that a built-in class refuses, such as a negative padding.

    A component that needs what only the data or the rest of the model know (`from_data`, widths) is left out; so are
    plug-ins, whose constructors may do anything.

    Args:
        values: of a config without other problems.
    """
    whole = with_defaults(values)
    known = {key: whole["data"][key] for key in ("size", "mean", "std")} | _tasks(whole.get("model"))
    for path, slot, value in components(values):
        if slot is registry.BALANCERS:
            value = whole["model"]["balancer"]  # without the weights of losses that were removed
        if slot not in TRIED or not isinstance(value, Mapping) or not slot.is_builtin(str(value.get("type"))):
            continue
        parameters = slot.entry(value["type"]).parameters
        if any(name in parameters and name not in known for name in slot.context):
            continue
        if any(isinstance(leaf, str) and leaf.startswith(PREFIX) for _, leaf in flatten(value)):
            continue
        place = ".".join(path)
        try:
            with torch.random.fork_rng(devices=[]):
                slot.build(value, place, {key: known[key] for key in slot.context if key in known})
        except TBPSError as error:
            yield Problem(place, str(error).removeprefix(f"{place}: "))


def _tasks(model: object) -> dict[str, tuple[str, ...]]:
    """What a balancer is told of the losses: their names, and which of them are weighed against each other."""
    losses = model.get("losses") if isinstance(model, Mapping) else None
    if not isinstance(losses, Mapping):
        return {}
    balanced = {name for name, loss in losses.items() if registry.LOSSES.get(loss["type"]).balanced}
    return {"names": tuple(losses), "balanced": tuple(name for name in losses if name in balanced)}
