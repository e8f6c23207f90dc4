"""Sections that a plug-in may take over: `model` and `schedule`, where `type` names its class; and `optimizer`.

Such a section holds the arguments of that class. A schedule keeps the keys that every run has besides (FRAME).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

from tbpsbench import registry
from tbpsbench.entries import Entry
from tbpsbench.registration import Registry

SECTION_SLOTS: dict[str, Registry[Any]] = {"model": registry.MODELS, "schedule": registry.SCHEDULES}
# Keys of a schedule that belong to the run; the rest are arguments of its class.
FRAME = ("max_epochs", "type", "warmup_epochs", "warmup_factor", "per")


class OpenSection(SimpleNamespace):
    """A section as a plug-in has it: its keys are attributes."""


def is_open(name: str, section: Any) -> bool:
    """Whether a section names a type that is not built in."""
    named = section.get("type") if isinstance(section, Mapping) else None
    return name in SECTION_SLOTS and isinstance(named, str) and not SECTION_SLOTS[name].is_builtin(named)


def optimizer_entry(name: str) -> Entry[Any]:
    """An optimiser with its arguments besides the parameters that it optimises, which come first.

    Raises:
        RegistryError: if there is none of this name.
    """
    entry = registry.OPTIMIZERS.entry(name, "optimizer.type")
    return replace(entry, parameters=dict(list(entry.parameters.items())[1:]))


def schedule_component(section: Mapping[str, Any]) -> tuple[dict[str, Any], str, dict[str, Any]]:
    """What `SCHEDULES.build` takes: the component of a config's `schedule`, its place, and what the run supplies."""
    own = {key: value for key, value in section.items() if key not in FRAME}
    if not is_open("schedule", section):  # each of the built-in ones takes its share of the section
        parameters = registry.SCHEDULES.entry(section["type"], "schedule.type").parameters
        own = {key: value for key, value in own.items() if key in parameters}
    supplied = {key: section[key] for key in registry.SCHEDULES.context}
    return {"type": section["type"], **own}, "schedule", supplied
