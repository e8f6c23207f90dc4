"""Shapes of plain data, and every place where a value does not have its shape.

A shape is a type, a dict of shapes (other keys may be there, too; the key `...` gives their shape), a list of one
shape, or one of the classes below.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

# Sums of fractions may leave 0..100 % by a last bit.
ROUNDING = 1e-6


@dataclass(frozen=True)
class Maybe:
    """May be null."""

    shape: Any


@dataclass(frozen=True)
class Optional:
    """The key may be absent."""

    shape: Any


@dataclass(frozen=True)
class Each:
    """A dict whose keys are names; every value has the shape, and there are `least` to `most` of them."""

    shape: Any
    least: int = 0
    most: int = 100


@dataclass(frozen=True)
class Some:
    """A list of one shape that is not empty and has at most `most`."""

    shape: Any
    most: int = 100


@dataclass(frozen=True)
class Text:
    """A string that matches a pattern as a whole."""

    pattern: str
    called: str


@dataclass(frozen=True)
class Name:
    """A string of one line that can be shown: no control character, no blank at its ends."""

    longest: int = 200
    shortest: int = 1


@dataclass(frozen=True)
class Number:
    """A finite number within bounds; an integer if `whole`."""

    low: float
    high: float
    whole: bool = False


@dataclass(frozen=True)
class Pair:
    """A list of two."""

    shape: Any


def misfits(value: Any, shape: Any, place: str = "") -> Iterator[tuple[str, str]]:
    """(place, what is wrong there) of everything in `value` that has another shape."""
    here = place or "record.json"
    if isinstance(shape, Maybe):
        if value is not None:
            yield from misfits(value, shape.shape, place)
    elif isinstance(shape, Text):
        if not isinstance(value, str) or not re.fullmatch(shape.pattern, value):
            yield here, f"is {shown(value)}, expected {shape.called}"
    elif isinstance(shape, Name):
        if not _is_name(value, shape):
            yield (
                here,
                f"is {shown(value)}, expected a text of {shape.shortest} to {shape.longest} printable characters",
            )
    elif isinstance(shape, Number):
        yield from _number(value, shape, here)
    elif isinstance(shape, dict | Each):
        if not isinstance(value, Mapping):
            yield here, f"is {shown(value)}, expected an object"
        else:
            yield from _each(value, shape, place) if isinstance(shape, Each) else _keys(value, shape, place)
    elif isinstance(shape, list | Some | Pair):
        yield from _list(value, shape, place, here)
    elif not isinstance(value, shape) or (isinstance(value, bool) and shape is not bool):
        yield here, f"is {shown(value)}, expected {shape.__name__}"


def shown(value: Any) -> str:
    """A value in at most 60 characters."""
    text = ascii(value) if isinstance(value, str) and not value.isprintable() else repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _is_name(value: Any, shape: Name) -> bool:
    fits = isinstance(value, str) and shape.shortest <= len(value) <= shape.longest
    return fits and value.isprintable() and value == value.strip()


def _number(value: Any, shape: Number, here: str) -> Iterator[tuple[str, str]]:
    kind = "a whole number" if shape.whole else "a number"
    if isinstance(value, bool) or not isinstance(value, int if shape.whole else int | float):
        yield here, f"is {shown(value)}, expected {kind}"
    elif not math.isfinite(value) or not shape.low <= value <= shape.high:
        yield here, f"is {shown(value)}, expected {kind} from {shape.low:g} to {shape.high:g}"


def _each(value: Mapping[Any, Any], shape: Each, place: str) -> Iterator[tuple[str, str]]:
    if not shape.least <= len(value) <= shape.most:
        yield place or "record.json", f"has {len(value)} entries, expected {shape.least} to {shape.most}"
        return
    for key, item in value.items():
        yield from misfits(key, Name(), f"a key of {place}")
        yield from misfits(item, shape.shape, _join(place, key))


def _keys(value: Mapping[Any, Any], shape: dict[Any, Any], place: str) -> Iterator[tuple[str, str]]:
    for key, inner in shape.items():
        if key is ...:
            for other in [name for name in value if name not in shape]:
                yield from misfits(value[other], inner, _join(place, other))
        elif key in value:
            yield from misfits(value[key], inner.shape if isinstance(inner, Optional) else inner, _join(place, key))
        elif not isinstance(inner, Optional):
            yield _join(place, key), "is missing"


def _list(value: Any, shape: Any, place: str, here: str) -> Iterator[tuple[str, str]]:
    inner = shape[0] if isinstance(shape, list) else shape.shape
    if not isinstance(value, list | tuple) or (isinstance(shape, Pair) and len(value) != 2):
        yield here, f"is {shown(value)}, expected a list{' of two' * isinstance(shape, Pair)}"
    elif isinstance(shape, Some) and not 1 <= len(value) <= shape.most:
        yield here, f"has {len(value)} entries, expected 1 to {shape.most}"
    else:
        for index, item in enumerate(value):
            yield from misfits(item, inner, _join(place, str(index)))


def _join(place: str, key: str) -> str:
    return f"{place}.{key}" if place else key
