"""A config as one list of values with the file each comes from, and its fingerprint."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from tbpsbench.config.load import Config, is_index
from tbpsbench.config.schema import SECTIONS, with_defaults
from tbpsbench.files import sha256_bytes


def flatten(values: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Leaves of nested data: (place, value). Empty dicts and lists of plain values count as leaves."""
    if isinstance(values, Mapping) and values:
        for key, value in values.items():
            yield from flatten(value, (*path, str(key)))
    elif isinstance(values, list | tuple) and any(isinstance(item, Mapping) for item in values):
        for index, value in enumerate(values):
            yield from flatten(value, (*path, str(index)))
    else:
        yield path, values


def explain(config: Config) -> list[tuple[str, Any, str]]:
    """Rows (key, value, origin) of the whole config; a value that no file sets comes from "default"."""
    rows = []
    for path, value in flatten(with_defaults(config.values)):
        origin = next((config.origins[path[:d]] for d in range(len(path), 0, -1) if path[:d] in config.origins), None)
        inherited = path not in config.origins and path[0] in SECTIONS and not _written(config.values, path)
        rows.append((".".join(path), value, "default" if inherited or origin is None else origin))
    return rows


def _written(values: Any, path: tuple[str, ...]) -> bool:
    for key in path:
        if isinstance(values, Mapping) and key in values:
            values = values[key]
        elif isinstance(values, list | tuple) and is_index(key, values):
            values = values[int(key)]
        else:
            return isinstance(values, str) and key == "type"  # captions='human' stands for dict(type='human')
    return True


def canonical(values: Mapping[str, Any]) -> str:
    """One JSON text for equal configs: sorted keys, tuples as lists."""
    return json.dumps(values, sort_keys=True, ensure_ascii=False, default=str)


def fingerprint(values: Mapping[str, Any]) -> str:
    """SHA-256 of the canonical text."""
    return sha256_bytes(canonical(values).encode())


def in_one_spelling(value: Any) -> Any:
    """Nested data in which a whole number is an integer: 1.0 and 1 are one value. True is another one."""
    if isinstance(value, Mapping):
        return {key: in_one_spelling(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [in_one_spelling(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Keys whose values differ, however numbers are spelt: key -> (old, new); "(absent)" where one side has none."""
    before = {".".join(path): value for path, value in flatten(old)}
    after = {".".join(path): value for path, value in flatten(new)}
    pairs = {key: (before.get(key, "(absent)"), after.get(key, "(absent)")) for key in sorted({*before, *after})}
    return {
        key: (json.loads(canonical({"v": one}))["v"], json.loads(canonical({"v": other}))["v"])
        for key, (one, other) in pairs.items()
        if canonical({"v": in_one_spelling(one)}) != canonical({"v": in_one_spelling(other)})
    }
