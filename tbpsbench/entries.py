"""What a slot holds, and what can be wrong with a config of it."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from tbpsbench.arguments import did_you_mean, matches, spell, type_hints

T = TypeVar("T")


@dataclass(frozen=True)
class Problem:
    """One thing wrong with a config: where, what, and how to mend it."""

    path: str
    message: str
    hint: str = ""

    def __str__(self) -> str:
        text = f"{self.path}: {self.message}" if self.path else self.message
        return text + "".join(f"\n  {line}" for line in self.hint.splitlines())


@dataclass(frozen=True)
class Entry(Generic[T]):
    """A registered class with what it needs (`requires`) and makes (`provides`): names of features or batch fields."""

    cls: type[T]
    origin: str
    plugin: str | None = None
    requires: tuple[str, ...] = ()
    provides: tuple[str, ...] = ()
    parameters: Mapping[str, inspect.Parameter] = field(default_factory=dict)

    def resolve(self, names: Iterable[str], config: Mapping[str, Any]) -> list[str]:
        """Feature names behind `names`: an entry that is a constructor argument stands for that argument's value.

        An argument set to None or False asks for nothing; one set to True stands for its own name (a feature that is
        made on request), one that holds several names for each of them.
        """
        resolved: list[str] = []
        for name in names:
            if name not in self.parameters:
                resolved.append(name)
                continue
            value = config.get(name, self.parameters[name].default)
            if isinstance(value, str):
                resolved.append(value)
            elif value is True:
                resolved.append(name)
            elif isinstance(value, list | tuple):
                resolved.extend(str(item) for item in value)
        return resolved


def argument_problems(
    entry: Entry[Any], config: Mapping[str, Any], path: str, supplied: set[str], name: str
) -> list[Problem]:
    """Unknown, missing and wrongly typed arguments of one component."""
    accepts_any = any(p.kind is p.VAR_KEYWORD for p in entry.parameters.values())
    named = {k: p for k, p in entry.parameters.items() if p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)}
    takes = f"{name} takes: {', '.join(named) or 'no arguments'}   ({entry.origin})"
    found: list[Problem] = []
    given = [key for key in config if key != "type"]
    for key in given:
        if key not in named and not accepts_any:
            found.append(Problem(f"{path}.{key}", f"{name} has no argument {key!r}.{did_you_mean(key, named)}", takes))
    hints = type_hints(entry.cls)
    for key, parameter in named.items():
        if key in config:
            if key in hints and not matches(config[key], hints[key]):
                found.append(
                    Problem(f"{path}.{key}", f"{name}.{key} is {config[key]!r}, expected {spell(hints[key])}", takes)
                )
        elif parameter.default is parameter.empty and key not in supplied:
            found.append(Problem(path, f"{name} needs the argument {key!r}.", takes))
    return found
