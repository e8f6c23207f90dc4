"""The socket: a named table of classes with one base class, lazy built-ins and errors that help.

A slot (see registry.py) knows its built-in names and the files they live in without importing them; a plug-in adds
names when it is loaded. Looking up, checking and building a component all speak through the same `Problem`s, so a typo
reads the same in `tools/check.py`, in `tools/train.py` and in a notebook.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import replace
from functools import cached_property
from typing import Any, Generic, TypeVar

from tbpsbench import __version__, plugins
from tbpsbench.arguments import did_you_mean, parameters_of
from tbpsbench.entries import Entry, Problem, argument_problems
from tbpsbench.errors import RegistryError, TBPSError

T = TypeVar("T")
Class = TypeVar("Class", bound=type)

MAX_NAMES_SHOWN = 20


class Registry(Generic[T]):
    """One slot.

    Args:
        slot: its constant in registry.py, e.g. "FUSERS".
        kind: what one entry is called in messages, e.g. "fuser".
        base: "package.module:Class" that every entry must inherit from.
        builtins: name -> "package.module:Class"; imported on first use. Or what makes this table, called on first use.
        context: constructor arguments that the framework supplies to classes that ask for them by name.
    """

    def __init__(
        self,
        slot: str,
        kind: str,
        base: str,
        builtins: Mapping[str, str] | Callable[[], Mapping[str, str]],
        context: tuple[str, ...] = (),
    ) -> None:
        self.slot, self.kind, self.context = slot, kind, context
        self._base, self._table = base, builtins
        self._entries: dict[str, Entry[T]] = {}

    def __repr__(self) -> str:
        return f"Registry({self.slot}, {len(self.names())} names)"

    @property
    def plural(self) -> str:
        """What several entries are called in messages."""
        return self.kind + ("es" if self.kind.endswith(("s", "x")) else "s")

    @cached_property
    def _builtins(self) -> dict[str, str]:
        return dict(self._table() if callable(self._table) else self._table)

    def is_builtin(self, name: str) -> bool:
        """Whether a name is one that comes with tbpsbench, not with a plug-in."""
        return name in self._builtins

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
            RegistryError: if the class is not of the slot's base class, the name is taken by another class, or this
                version of tbpsbench has nothing of the slot's kind yet.
        """
        if not isinstance(name, str | None):
            raise RegistryError(f"{self.slot}: {_origin(name)}: write @{self.slot}.register(), with parentheses")
        for key, names in (("requires", requires), ("provides", provides)):
            if isinstance(names, str):
                raise RegistryError(f"{self.slot}: {key} is the text {names!r}, expected a tuple: {key}=({names!r},)")

        def add(cls: Class) -> Class:
            key = name or cls.__name__
            base = self._base_class()
            if not isinstance(cls, type) or not issubclass(cls, base):
                raise RegistryError(
                    f"{self.slot}: {_origin(cls)}: {cls.__name__} must inherit from {self._base.replace(':', '.')}"
                )
            taken = self._taken_by(key, cls)
            if taken:
                raise RegistryError(
                    f"{self.slot}: {_origin(cls)}: the name {key!r} is taken by {taken}. Choose another name."
                )
            added = None  # a built-in may be a class of another package, torch's
            if key not in self._builtins:
                added = plugins.note(cls.__module__, lambda: self._take_back(key, cls), (self.slot, key))
            parameters = parameters_of(cls)
            self._entries[key] = Entry(cls, _origin(cls), added, tuple(requires), tuple(provides), parameters)
            return cls

        return add

    def _base_class(self) -> Any:
        module = self._base.partition(":")[0]
        try:
            return _import_target(self._base)
        except ModuleNotFoundError as error:
            if error.name is None or not f"{module}.".startswith(f"{error.name}."):
                raise
            raise RegistryError(
                f"{self.slot}: tbpsbench {__version__} has no {self.plural} yet ({module} comes with a later version). "
                f"Leave the {self.kind} out, or install a version that has them."
            ) from error

    def _taken_by(self, key: str, cls: type) -> str | None:
        target = f"{cls.__module__}:{cls.__qualname__}"
        builtin = self._builtins.get(key)
        if builtin is not None and builtin != target:
            return f"the built-in {builtin.replace(':', '.')}"
        known = self._entries.get(key)
        same = known is not None and f"{known.cls.__module__}:{known.cls.__qualname__}" == target
        # A class may come again when its module is reloaded, not within one import.
        if known is not None and (not same or plugins.is_loading((self.slot, key))):
            return f"{known.cls.__module__}.{known.cls.__qualname__} ({known.origin})"
        return None

    def _take_back(self, key: str, cls: type) -> None:
        known = self._entries.get(key)
        if known is not None and known.cls is cls:
            del self._entries[key]

    def remove(self, name: str) -> None:
        """Forget a name that was registered at run time (tests of plug-ins clean up with it)."""
        self._entries.pop(name, None)

    def adopt(self, package: str, plugin: str, others: Collection[str] = ()) -> list[str]:
        """Mark what a package registered before its plug-in was loaded as the plug-in's.

        Args:
            package: the package.
            plugin: the plug-in's name.
            others: further plug-ins of this package, which keep what is theirs.

        Returns:
            all names that are the plug-in's.
        """
        found = [
            name
            for name, entry in self._entries.items()
            if entry.plugin not in others
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
        names, hint = self.names(), self._known()
        if not names:
            try:
                self._base_class()
            except RegistryError as error:
                hint = str(error)
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
            example, article = (self.names() or ["Name"])[0], "an" if self.kind[0] in "aeioM" else "a"  # an MLLM client
            message = f"{article} {self.kind} is written dict(type='{example}', ...), got {config!r}"
            return [Problem(path, message, self._known())]
        name = config["type"]
        if name not in self._entries and name not in self.names():
            return [self._unknown(name, f"{path}.type")]
        try:
            entry = self.entry(name, path)
        except RegistryError as error:
            return [Problem(path, str(error).removeprefix(f"{path}: "))]
        return argument_problems(entry, config, path, set(self.context if supplied is None else supplied), name)

    def _known(self) -> str:
        names = self.names()
        shown = ", ".join(names[:MAX_NAMES_SHOWN]) + (", ..." if len(names) > MAX_NAMES_SHOWN else "")
        return f"Known {self.plural}: {shown or 'none yet'}"

    def build(self, config: Mapping[str, Any], path: str = "", context: Mapping[str, Any] | None = None) -> T:
        """Build the component that `config` describes.

        Args:
            config: `dict(type=..., argument=value, ...)`; not changed.
            path: where it stands in the whole config, for messages.
            context: values for the slot's context arguments; only those that the class names are passed.

        Raises:
            RegistryError: for an unknown type, unknown, missing or wrong arguments, or a constructor that fails.
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
        except TBPSError:
            raise
        except (Exception, SystemExit) as error:
            said = plugins.explain(error, entry.cls.__module__.split(".")[0], entry.origin)
            raise RegistryError(f"{path or self.slot}: {config['type']}: {said}") from error


def _import_target(target: str) -> Any:
    module, _, attribute = target.partition(":")
    return getattr(importlib.import_module(module), attribute)


def _origin(cls: type) -> str:
    """'tbpsbench/losses/infonce.py:12' where a class is written."""
    try:
        file, line = inspect.getsourcefile(cls), inspect.getsourcelines(cls)[1]
    except (OSError, TypeError):
        return f"{cls.__module__}.{cls.__qualname__}"
    return plugins.short_place(file or "", line, cls.__module__.split(".")[0])
