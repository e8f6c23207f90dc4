"""What values a config may hold: numbers in their range, and an optimiser that can take a step by itself.

Types are checked before (registration.argument_problems); here are the values that have the right type and still could
not be trained with.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Iterator, Mapping
from typing import Any

from tbpsbench import registry
from tbpsbench.config.open_sections import FRAME, is_open, optimizer_entry, schedule_component
from tbpsbench.config.schema import read_section
from tbpsbench.entries import Problem, argument_problems
from tbpsbench.errors import RegistryError
from tbpsbench.schedules.base import usable

# What numpy and torch both take as a seed; everything else that is drawn comes from numpy's SeedSequence of it.
MAX_SEED = 2**32 - 1
LARGEST = 2**31 - 1
MAX_THREADS = 1024

# Place -> smallest and largest value.
RANGES: dict[str, tuple[float, float]] = {
    "data.batch_size": (1, LARGEST),
    "data.num_workers": (0, MAX_THREADS),
    "data.size": (1, LARGEST),
    "data.text_noise": (0, 1),
    "data.captions_per_sample": (1, 16),
    "data.noise": (0, 1),
    "schedule.max_epochs": (1, LARGEST),
    "schedule.warmup_epochs": (0, LARGEST),
    "schedule.warmup_factor": (0, LARGEST),
    "schedule.min_factor": (0, LARGEST),
    "schedule.milestones": (0, LARGEST),
    "schedule.gamma": (0, LARGEST),
    "evaluation.interval": (1, LARGEST),
    "evaluation.batch_size": (1, LARGEST),
    "runtime.accumulate": (1, LARGEST),
    "runtime.threads": (1, MAX_THREADS),
    "runtime.log_interval": (1, LARGEST),
}
POSITIVE = ("data.std", "runtime.clip_grad_norm")
NUMBERS = ("data.mean", "data.std", "data.size", "schedule.milestones")  # in these every entry is a number
SHARES = ("betas",)  # of an optimiser: 0 or more, below 1
RATES = ("lr", "weight_decay")  # 0 or more whoever wrote the optimiser
SIGNED = {("Adafactor", "beta2_decay")}


def limit_problems(values: Mapping[str, Any]) -> Iterator[Problem]:
    """Every value of a config that has the right type and is out of its range."""
    odd = dict(_odd_numbers(values))
    for path, message in odd.items():
        yield Problem(path, message)
    if problem := seed_problem(values.get("seed", 0)):
        yield problem
    for place in dict.fromkeys((*RANGES, *POSITIVE, *NUMBERS)):
        section, key = place.split(".")
        if is_open(section, values.get(section)) and key not in FRAME:
            continue  # an argument of a plug-in's class, which has limits of its own
        value = values[section].get(key) if isinstance(values.get(section), Mapping) else None
        for path, item in _items(place, value):
            if path not in odd and (message := _out_of_range(place, item)):
                yield Problem(path, f"{path} is {_short(item)}, expected {message}")


def seed_problem(seed: Any) -> Problem | None:
    """What is wrong with a seed, if something is."""
    if not isinstance(seed, bool) and isinstance(seed, int) and 0 <= seed <= MAX_SEED:
        return None
    return Problem("seed", f"seed is {_short(seed)}, expected an int from 0 to {MAX_SEED}")


def optimizer_problems(value: Any) -> Iterator[Problem]:
    """What is wrong with a config's `optimizer`; where nothing is, it took a step on a toy model."""
    if not isinstance(value, Mapping) or not isinstance(value.get("type"), str):
        yield Problem("optimizer", "an optimizer is written dict(type='AdamW', lr=1e-4, ...)")
        return
    name, slot = value["type"], registry.OPTIMIZERS
    if name not in slot.names():
        yield from slot.problems(value, "optimizer")
        return
    entry = optimizer_entry(name)
    found = [*argument_problems(entry, value, "optimizer", set(), name)]
    if isinstance(value.get("lr"), bool) or not isinstance(value.get("lr"), int | float):
        found.append(Problem("optimizer.lr", "the learning rate is a number", f"got {_short(value.get('lr'))}"))
    odd = dict(_odd_numbers({"optimizer": value}))
    for path, number in _numbers("optimizer", value):
        key = path.split(".")[1]
        if path in odd:
            continue  # limit_problems names it
        if number < 0 and (name, key) not in SIGNED and (slot.is_builtin(name) or key in RATES):
            found.append(Problem(path, f"{path} is {number!r}, expected 0 or more"))
        elif key in SHARES and number >= 1 and slot.is_builtin(name):
            found.append(Problem(path, f"{path} is {number!r}, expected less than 1"))
    if not found and not odd:
        found += _trial(entry.cls, value)
    yield from found


def schedule_problems(values: Mapping[str, Any]) -> Iterator[Problem]:
    """What a plug-in's schedule refuses: it is built, and asked for the first and the last rate after the warm-up."""
    if not is_open("schedule", values["schedule"]):
        return
    section = vars(read_section("schedule", values["schedule"]))
    name, first, last = section["type"], section["warmup_epochs"], section["max_epochs"] - 1
    try:
        schedule = registry.SCHEDULES.build(*schedule_component(section))
        for epoch in (first, last) if first <= last else ():
            if not usable(found := schedule.factor(float(epoch))):
                message = f"{name} gives the factor {found!r} at epoch {epoch:g}, expected a finite number, 0 or more"
                yield Problem("schedule", message)
                return
    except RegistryError as error:
        yield Problem("schedule", str(error).removeprefix("schedule: "))
    except Exception as error:  # a plug-in's may be any
        yield Problem("schedule", f"{name} gives no factor: {type(error).__name__}: {error}")


def param_group_problems(value: Any) -> Iterator[Problem]:
    """What the constructor of a config's `param_groups` refuses, and negative rates where it refuses nothing."""
    if value is None or registry.PARAM_GROUPS.problems(value, "param_groups"):
        return
    try:
        registry.PARAM_GROUPS.build(value, "param_groups")
    except RegistryError as error:
        yield Problem("param_groups", str(error).removeprefix("param_groups: "))
        return
    for path, number in _numbers("param_groups", value):
        if number < 0:
            yield Problem(path, f"{path} is {_short(number)}, expected 0 or more")


def _trial(cls: type, value: Mapping[str, Any]) -> Iterator[Problem]:
    """Let an optimiser take a step: a matrix and a vector, as every model has, with dense gradients, no closure."""
    import torch

    closure = inspect.signature(cls.step).parameters.get("closure")  # type: ignore[attr-defined]
    if closure is not None and closure.default is closure.empty:
        yield Problem(
            "optimizer.type",
            f"{cls.__name__} computes the loss several times in a step (a closure), which training does not offer.",
            "Use an optimizer that takes one gradient per step, such as AdamW or SGD.",
        )
        return
    # `capturable` is for a GPU, which this machine may not have.
    arguments = {key: item for key, item in value.items() if key not in ("type", "capturable")}
    parameters = [torch.zeros(2, 2, requires_grad=True), torch.zeros(2, requires_grad=True)]
    for parameter in parameters:
        parameter.grad = torch.zeros_like(parameter)
    try:
        cls(parameters, **arguments).step()
    except Exception as error:  # a plug-in's may be any
        lines = str(error).splitlines() or [type(error).__name__]
        yield Problem(
            "optimizer",
            f"{cls.__name__} cannot train a model with matrices and vectors in these settings: {lines[0]}",
            "Correct the argument that it names, or use another optimizer, such as AdamW or SGD.",
        )


def _out_of_range(place: str, value: Any) -> str:
    """What was expected of a value; nothing where it is fine."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return "a number" if place in NUMBERS else ""
    if place in POSITIVE:
        return "" if value > 0 else "more than 0"
    smallest, largest = RANGES.get(place, (-math.inf, math.inf))
    if value < smallest:
        return f"at least {smallest:g}"
    return f"at most {largest:g}" if value > largest else ""


def _items(place: str, value: Any) -> Iterator[tuple[str, Any]]:
    """A value, or each entry of a list of them, with its path; None is left to the check of types."""
    if isinstance(value, list | tuple):
        yield from ((f"{place}.{index}", item) for index, item in enumerate(value))
    elif value is not None:
        yield place, value


def _leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    waiting = [(path, value)]
    while waiting:
        path, item = waiting.pop()
        if isinstance(item, Mapping | list | tuple):
            inner = item.items() if isinstance(item, Mapping) else enumerate(item)
            waiting += [(f"{path}.{key}".lstrip("."), child) for key, child in inner]
        else:
            yield path, item


def _numbers(path: str, value: Any) -> Iterator[tuple[str, int | float]]:
    for place, item in _leaves(value, path):
        if isinstance(item, int | float) and not isinstance(item, bool):
            yield place, item


def _odd_numbers(values: Any) -> Iterator[tuple[str, str]]:
    """Path and message of every number that no component can use: NaN, infinity, integers beyond 64 bits."""
    for path, number in _numbers("", values):
        if isinstance(number, float) and not math.isfinite(number):
            yield path, f"{path} is {number}, expected a finite number"
        elif isinstance(number, int) and path != "seed" and not -(2**63) <= number < 2**63:
            yield path, f"{path} is {_short(number)}, which does not fit into 64 bits"


def _short(value: Any) -> str:
    """A value for a message; Python refuses to spell integers of more than 4300 digits."""
    if isinstance(value, int) and value.bit_length() > 128:
        return f"an integer of {value.bit_length()} bits"
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:60]}..."
