"""What a constructor takes and its annotations say about a config value; what a misspelt name may have meant."""

from __future__ import annotations

import difflib
import inspect
import typing
from collections.abc import Iterable, Mapping
from types import NoneType, UnionType
from typing import Any, Literal, Union

# The constructors of these take whatever they are given, and refuse it when they are called.
BARE = (("builtins", "object"), ("torch.nn.modules.module", "Module"))


def parameters_of(cls: type) -> dict[str, inspect.Parameter]:
    """Arguments of a class' constructor; none where the class and its bases have written none."""
    owner = next(base for base in cls.__mro__ if "__init__" in vars(base))
    made_by: Any = cls.__init__  # type: ignore[misc]
    if (owner.__module__, owner.__qualname__) in BARE:  # by name: who imports no torch need not wait for it
        if owner is not object or cls.__new__ is object.__new__:
            return {}
        made_by = cls.__new__
    return dict(list(inspect.signature(made_by).parameters.items())[1:])


def type_hints(cls: type) -> dict[str, Any]:
    """Annotations of a class' constructor; empty where they cannot be resolved."""
    try:
        return typing.get_type_hints(cls.__init__)  # type: ignore[misc]
    except Exception:  # annotations are other people's code: a shape ("B D"), a name that torch lacks
        return {}


def matches(value: Any, hint: Any) -> bool:
    """Whether a config value can be meant for an annotation; only plain types are judged, the rest passes."""
    if isinstance(value, str) and value.startswith("from_data:"):
        return True
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (Union, UnionType):
        return any(matches(value, item) for item in arguments)
    if origin is Literal:
        return value in arguments
    if hint is NoneType or hint is None:
        return value is None
    if hint is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    if hint is int:
        return isinstance(value, int) and not isinstance(value, bool)
    if hint is str or hint is bool:  # `in` would compare with whatever somebody annotates with
        return isinstance(value, hint)
    if origin in (list, tuple) and not isinstance(value, list | tuple):
        return False
    if origin is tuple and arguments and arguments[-1] is not Ellipsis:
        return len(value) == len(arguments) and all(map(matches, value, arguments))
    if origin in (list, tuple) and arguments:
        return all(matches(item, arguments[0]) for item in value)
    if origin is dict and len(arguments) == 2:
        return isinstance(value, Mapping) and all(matches(item, arguments[1]) for item in value.values())
    return True


def spell(hint: Any) -> str:
    """An annotation as a reader would write it."""
    if typing.get_origin(hint) is Literal:
        return " or ".join(repr(item) for item in typing.get_args(hint))
    if typing.get_origin(hint) in (Union, UnionType):
        return " or ".join(spell(item) for item in typing.get_args(hint))
    if hint is NoneType:
        return "None"
    return getattr(hint, "__name__", str(hint)) if typing.get_origin(hint) is None else str(hint)


def did_you_mean(name: str, names: Iterable[str]) -> str:
    """' Did you mean X?' for the nearest of `names`, or nothing."""
    by_lower = {known.lower(): known for known in names}
    near = difflib.get_close_matches(str(name).lower()[:100], by_lower, n=1, cutoff=0.6)
    return f" Did you mean {by_lower[near[0]]!r}?" if near else ""
