"""A resolved config with types: what the engine reads. No dict of sections is passed on after the config is read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from tbpsbench.config.open_sections import OpenSection
from tbpsbench.config.schema import (
    SECTIONS,
    DataSection,
    EvaluationSection,
    ModelSection,
    RuntimeSection,
    ScheduleSection,
    read_section,
    with_defaults,
)

Component = dict[str, Any]


@dataclass
class Settings:
    """A config with every default filled in.

    Attributes:
        data, model, schedule, evaluation, runtime: the sections (see schema.py); model and schedule may be a plug-in's.
        optimizer: type and arguments of an optimiser.
        param_groups: a PARAM_GROUPS component, or None.
        hooks: name -> HOOKS component.
        seed: of everything random.
        plugins: plug-ins that must be installed.
        name: what the config calls itself, or None.
        load_from: the system that training starts from: `file`, and `system` once it is known; or None.
    """

    data: DataSection
    model: ModelSection | OpenSection
    optimizer: Component
    schedule: ScheduleSection | OpenSection
    evaluation: EvaluationSection
    runtime: RuntimeSection
    param_groups: Component | None
    hooks: dict[str, Component]
    seed: int
    plugins: list[str]
    name: str | None = None
    load_from: dict[str, str] | None = None

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Settings:
        """The settings of a checked config's values, with or without defaults."""
        filled = with_defaults(values)
        sections = {name: read_section(name, filled[name]) for name in SECTIONS}
        known = {field.name for field in fields(cls)} - set(sections)
        return cls(**sections, **{key: value for key, value in filled.items() if key in known})

    def values(self) -> dict[str, Any]:
        """The same as nested plain data, in the form in which records, checkpoints and config.py keep it."""
        plain = {
            field.name: dict(vars(getattr(self, field.name))) if field.name in SECTIONS else getattr(self, field.name)
            for field in fields(self)
        }
        for key in ("name", "load_from"):
            if plain[key] is None:
                del plain[key]
        return plain
