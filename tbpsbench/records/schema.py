"""The shape of a record: every key that must be there, and what it holds.

A shape is a type, a tuple of types, a dict of shapes (other keys may be there, too), a list of one shape, or one of the
classes below.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

SCHEMA = 1
FIX = "The record is damaged or was written by another program: create it again with tools/test.py or tools/train.py."


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong with a record.

    Attributes:
        what: the place in the record or the file.
        message: what is wrong with it.
        fix: what to do.
    """

    what: str
    message: str
    fix: str

    def __str__(self) -> str:
        return f"{self.what}: {self.message}\n    {self.fix}"


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
    """A dict with any keys; every value has the shape."""

    shape: Any


@dataclass(frozen=True)
class Text:
    """A string that matches a pattern."""

    pattern: str
    called: str


@dataclass(frozen=True)
class Pair:
    """A list of two."""

    shape: Any


NUMBER = (int, float)
SHA256 = Text(r"[0-9a-f]{64}", "64 hexadecimal digits")
RULES = ("val", "last", "test", "given")
# Without the parts of `selection` that depend on the rule: verify/selection.py looks at those.
RECORD_SHAPE: dict[str, Any] = {
    "schema": int,
    "name": Text(r"\S.{0,199}", "a name of up to 200 characters"),
    "status": Text("measured", "'measured'"),
    "date": Text(r"\d{4}-\d\d-\d\dT.+", "a date as 2026-01-31T12:00:00+00:00"),
    "spec": {"data": str, "trained_on": Optional(str), "split": str, "version": int},
    "suite": {"name": Optional(str), "entry": Optional(str), "seeds": Optional([int])},
    "track": Text("dual-encoder|gallery-text|rerank|interactive", "a track"),
    "leaks": [str],
    "selection": {"rule": Text("|".join(RULES), f"one of {', '.join(RULES)}")},
    "seed": int,
    "config": {
        "data": {"dataset": {"type": str}, "size": Pair(int)},
        "model": dict,
        "optimizer": Maybe(dict),
        "schedule": {"max_epochs": int},
        "evaluation": {"selection": str, "metrics": [{"type": str}], "protocols": [str], "ties": str, "metric": str},
        "runtime": dict,
        "seed": int,
    },
    "config_sha256": SHA256,
    "system_sha256": SHA256,
    "checkpoint": {"sha256": SHA256, "bytes": int},
    "code": {"commit": Maybe(str), "dirty": Maybe(bool)},
    "plugins": [{"name": str, "version": str, "error": Maybe(str), "used": bool}],
    "environment": {"python": str, "tbpsbench": str, "packages": Each(str), "platform": str, "device": str},
    "data": {
        "dataset": str,
        "component": {"type": str},
        "counts": Each(Each(int)),
        "partial": bool,
        "sources": [{"role": str, "source": str, "file": str, "sha256": SHA256, "made_from": dict, "notes": dict}],
        "tokenizer_sha256": SHA256,
    },
    "protocol": {"similarity": str, "ties": str, "image_size": Pair(int), "text_length": int, "skip_unmatched": bool},
    "results": Each(
        {
            "scores": Each(NUMBER),
            "intervals_95": Each(Pair(NUMBER)),
            "heads": Each(Each(NUMBER)),
            "queries": int,
            "gallery": int,
            "identities": int,
            "skipped_queries": int,
            "tied_queries": int,
        }
    ),
    "cost": dict,
    "evidence": {"file": Text(r"ranks\.npz", "'ranks.npz'"), "sha256": SHA256},
}


def schema_problems(record: Mapping[str, Any]) -> list[Finding]:
    """Keys that are missing or hold something else; of an unknown version only that."""
    version = record.get("schema")
    if version != SCHEMA:
        fix = "Install a tbpsbench that writes this schema, or create the record again with this one."
        return [Finding("schema", f"version {version!r}; this program knows {SCHEMA}", fix)]
    found = [Finding(place, message, FIX) for place, message in _walk(record, RECORD_SHAPE, "")]
    if not found and not record["results"]:
        found.append(Finding("results", "there are none", FIX))
    return found


def _walk(value: Any, shape: Any, place: str) -> Iterator[tuple[str, str]]:
    here = place or "record.json"
    if isinstance(shape, Maybe):
        if value is not None:
            yield from _walk(value, shape.shape, place)
    elif isinstance(shape, Text):
        if not isinstance(value, str) or not re.fullmatch(shape.pattern, value):
            yield here, f"is {_shown(value)}, expected {shape.called}"
    elif isinstance(shape, dict | Each):
        if not isinstance(value, Mapping):
            yield here, f"is {_shown(value)}, expected an object"
        elif isinstance(shape, Each):
            for key, item in value.items():
                yield from _walk(item, shape.shape, _join(place, key))
        else:
            for key, inner in shape.items():
                if key in value:
                    yield from _walk(
                        value[key], inner.shape if isinstance(inner, Optional) else inner, _join(place, key)
                    )
                elif not isinstance(inner, Optional):
                    yield _join(place, key), "is missing"
    elif isinstance(shape, list | Pair):
        inner = shape.shape if isinstance(shape, Pair) else shape[0]
        if not isinstance(value, list | tuple) or (isinstance(shape, Pair) and len(value) != 2):
            yield here, f"is {_shown(value)}, expected a list{' of two' * isinstance(shape, Pair)}"
        else:
            for index, item in enumerate(value):
                yield from _walk(item, inner, _join(place, str(index)))
    else:
        types = shape if isinstance(shape, tuple) else (shape,)
        if not isinstance(value, types) or (isinstance(value, bool) and bool not in types):
            yield here, f"is {_shown(value)}, expected {' or '.join(t.__name__ for t in types)}"
        elif isinstance(value, float) and not math.isfinite(value):
            yield here, f"is {value}, expected a finite number"


def _join(place: str, key: str) -> str:
    return f"{place}.{key}" if place else key


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
