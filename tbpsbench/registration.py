"""The socket: a named table of classes with one base class, lazy built-ins and errors that help.

A slot (see registry.py) knows its built-in names and the files they live in without importing them; a plug-in adds
names when it is loaded. Looking up, checking and building a component all speak through the same `Problem`s, so a typo
reads the same in `tools/check.py`, in `tools/train.py` and in a notebook.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Generic, TypeVar

from tbpsbench import plugins
from tbpsbench.arguments import did_you_mean, matches, spell, type_hints
from tbpsbench.errors import RegistryError

T = TypeVar("T")
Class = TypeVar("Class", bound=type)

MAX_NAMES_SHOWN = 20


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


class Registry(Generic[T]):
    """One slot.

    Args:
        slot: its constant in registry.py, e.g. "FUSERS".
        kind: what one entry is called in messages, e.g. "fuser".
        base: "package.module:Class" that every entry must inherit from.
        builtins: name -> "package.module:Class"; imported on first use.
        context: constructor arguments that the framework supplies to classes that ask for them by name.
    """

    def __init__(
        self, slot: str, kind: str, base: str, builtins: Mapping[str, str], context: tuple[str, ...] = ()
    ) -> None:
        self.slot, self.kind, self.context = slot, kind, context
        self._base, self._builtins = base, dict(builtins)
        self._entries: dict[str, Entry[T]] = {}

    def __repr__(self) -> str:
        return f"Registry({self.slot}, {len(self.names())} names)"

    # -- registering ---------------------------------------------------------------------------------------------

    def register(
        self, name: str | None = None, *, requires: Iterable[str] = (), provides: Iterable[str] = ()
    ) -> Callable[[Class], Class]:
        """Class decorator that adds a class under `name` (default: its own).

        Args:
            name: the `type` that configs use.
            requires: features or batch fields that it reads; the name of a constructor argument stands for its value.
            provides: features that it makes, in the same way.

        Raises:
            RegistryError: if the class is not of the slot's base class, or the name is taken by another class.
        """

        def add(cls: Class) -> Class:
            key = name or cls.__name__
            base = _import_target(self._base)
            if not issubclass(cls, base):
                raise RegistryError(
                    f"{self.slot}: {_origin(cls)}: {cls.__name__} must inherit from {self._base.replace(':', '.')}"
                )
            taken = self._taken_by(key, cls)
            if taken:
                raise RegistryError(
                    f"{self.slot}: {_origin(cls)}: the name {key!r} is taken by {taken}. Choose another name."
                )
            signature = inspect.signature(cls.__init__)  # type: ignore[misc]
            self._entries[key] = Entry(
                cls,
                _origin(cls),
                plugins.current(),
                tuple(requires),
                tuple(provides),
                {p.name: p for p in list(signature.parameters.values())[1:]},
            )
            plugins.note(self.slot, key)
            return cls

        return add

    def _taken_by(self, key: str, cls: type) -> str | None:
        target = f"{cls.__module__}:{cls.__qualname__}"
        builtin = self._builtins.get(key)
        if builtin is not None and builtin != target:
            return f"the built-in {builtin.replace(':', '.')}"
        known = self._entries.get(key)
        if known is not None and f"{known.cls.__module__}:{known.cls.__qualname__}" != target:
            return f"{known.cls.__module__}.{known.cls.__qualname__} ({known.origin})"
        return None

    def remove(self, name: str) -> None:
        """Forget a name that was registered at run time (tests of plug-ins clean up with it)."""
        self._entries.pop(name, None)

    def adopt(self, package: str, plugin: str) -> list[str]:
        """Mark what a package registered while no plug-in was being loaded as a plug-in's; all names that are its."""
        found = [
            name
            for name, entry in self._entries.items()
            if entry.plugin in (None, plugin)
            and name not in self._builtins
            and entry.cls.__module__.split(".")[0] == package
        ]
        for name in found:
            self._entries[name] = replace(self._entries[name], plugin=plugin)
        return found

    # -- looking up ----------------------------------------------------------------------------------------------

    def names(self) -> list[str]:
        """All known names, sorted: built-ins and whatever plug-ins added; imports no built-in."""
        plugins.load_all()
        return sorted({*self._builtins, *self._entries})

    def entry(self, name: str, path: str = "") -> Entry[T]:
        """The entry called `name`; its module is imported if need be.

        Raises:
            RegistryError: if there is none, or its module cannot be imported (the original error is shown and chained).
        """
        if name in self._entries:
            return self._entries[name]
        if name not in self._builtins:
            plugins.load_all()
            if name not in self._entries:
                raise RegistryError(str(self._unknown(name, path)))
            return self._entries[name]
        target = self._builtins[name]
        try:
            cls = _import_target(target)
        except ImportError as error:
            raise RegistryError(
                f"{path or self.slot}: {self.kind} {name!r} cannot be imported from {target.split(':')[0]}: "
                f"{type(error).__name__}: {error}"
            ) from error
        if name not in self._entries:
            self.register(name)(cls)
        return self._entries[name]

    def get(self, name: str, path: str = "") -> type[T]:
        """The class called `name` (see `entry`)."""
        return self.entry(name, path).cls

    def _unknown(self, name: str, path: str) -> Problem:
        names = self.names()
        shown = ", ".join(names[:MAX_NAMES_SHOWN]) + (", ..." if len(names) > MAX_NAMES_SHOWN else "")
        hint = f"Known {self.kind}s: {shown or 'none yet'}"
        for failed in plugins.failed():
            hint += f"\nThe plug-in {failed.name!r} failed to load, so its names are missing: {failed.error}"
        return Problem(path, f"no {self.kind} is called {name!r}.{did_you_mean(name, names)}", hint)

    # -- checking and building -----------------------------------------------------------------------------------

    def problems(self, config: Any, path: str, supplied: Iterable[str] | None = None) -> list[Problem]:
        """Everything wrong with a component's config, without building it.

        Args:
            config: `dict(type=..., argument=value, ...)`.
            path: where it stands in the whole config, for the messages.
            supplied: context arguments that will be supplied (default: the slot's).
        """
        if not isinstance(config, Mapping) or not isinstance(config.get("type"), str):
            example = self.names()[0] if self.names() else "Name"
            return [
                Problem(path, f"a {self.kind} is written dict(type='{example}', ...), got {config!r}", self._known())
            ]
        name = config["type"]
        if name not in self._entries and name not in self.names():
            return [self._unknown(name, f"{path}.type")]
        try:
            entry = self.entry(name, path)
        except RegistryError as error:
            return [Problem(path, str(error).removeprefix(f"{path}: "))]
        return argument_problems(entry, config, path, set(self.context if supplied is None else supplied), name)

    def _known(self) -> str:
        return f"Known {self.kind}s: {', '.join(self.names()[:MAX_NAMES_SHOWN])}"

    def build(self, config: Mapping[str, Any], path: str = "", context: Mapping[str, Any] | None = None) -> T:
        """Build the component that `config` describes.

        Args:
            config: `dict(type=..., argument=value, ...)`; not changed.
            path: where it stands in the whole config, for messages.
            context: values for the slot's context arguments; only those that the class names are passed.

        Raises:
            RegistryError: for an unknown type, unknown, missing or wrong arguments, or a constructor that refuses.
        """
        context = dict(context or {})
        found = self.problems(config, path or self.slot, context)
        if found:
            raise RegistryError("\n".join(map(str, found)))
        entry = self.entry(config["type"], path)
        arguments = {key: value for key, value in config.items() if key != "type"}
        for key, value in context.items():
            if key in entry.parameters and key not in arguments:
                arguments[key] = value
        try:
            return entry.cls(**arguments)
        except (ValueError, TypeError) as error:
            raise RegistryError(f"{path or self.slot}: {config['type']}: {error}   ({entry.origin})") from error


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


def _import_target(target: str) -> Any:
    module, _, attribute = target.partition(":")
    return getattr(importlib.import_module(module), attribute)


def _origin(cls: type) -> str:
    """'tbpsbench/losses/infonce.py:12' where a class is written."""
    try:
        file, line = inspect.getsourcefile(cls), inspect.getsourcelines(cls)[1]
    except (OSError, TypeError):
        return f"{cls.__module__}.{cls.__qualname__}"
    parts = Path(file or "").parts
    for index, part in enumerate(parts):
        if part == cls.__module__.split(".")[0]:
            parts = parts[index:]
            break
    return f"{'/'.join(parts)}:{line}"
