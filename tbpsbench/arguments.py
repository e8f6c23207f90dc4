"""What an annotation says about a config value, and what a misspelt name may have meant."""

from __future__ import annotations

import difflib
import typing
from collections.abc import Iterable, Mapping
from types import NoneType, UnionType
from typing import Any, Literal, Union


def type_hints(cls: type) -> dict[str, Any]:
    """Annotations of a class' constructor; empty where they cannot be resolved."""
    try:
        return typing.get_type_hints(cls.__init__)  # type: ignore[misc]
    except (NameError, TypeError):
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
    if hint in (str, bool):
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
