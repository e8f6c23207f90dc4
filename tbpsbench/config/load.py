"""A config with its inheritance resolved and the origin of every value known.

Merging: dicts merge key by key, everything else replaces. Where a child (or an override) changes a component's `type`,
inherited arguments that the new class does not take are dropped and reported in `Config.notes`. `_delete_=True` in a
child's dict discards the inherited dict whole. Of several bases the later wins, but not by what both have of one file.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tbpsbench.arguments import did_you_mean
from tbpsbench.bundle import PREFIX, configs, locate
from tbpsbench.config.literal import MAX_DEPTH, OVERRIDE, Origins, Path_, parse_value, plain_text, read_literals
from tbpsbench.config.open_sections import SECTION_SLOTS, is_open
from tbpsbench.config.override_order import types_first
from tbpsbench.config.places import slot_at
from tbpsbench.config.schema import SECTIONS, taken_at
from tbpsbench.errors import ConfigError, DataError, RegistryError
from tbpsbench.reading import MAX_SHOWN, given_path, read_json, shown

MAX_FILES = 100  # that one config inherits from; ours take five
# What a run leaves in its folder: the resolved config, and a card that names it (engine/workdir.py).
RUN_CONFIG, RUN_CARD = "config.py", "run.json"


@dataclass
class Config:
    """A resolved config.

    Attributes:
        path: the file it was read from.
        values: nested plain data, without `_base_`; defaults are not filled in (see schema.with_defaults).
        origins: place -> "file:line" or "--cfg-options".
        notes: what was dropped while merging, for the user to see.
        files: all files that it was read from.
    """

    path: Path
    values: dict[str, Any]
    origins: Origins = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    files: set[Path] = field(default_factory=set)

    @property
    def name(self) -> str:
        """The config's name: `name` where it sets one, that of the run whose config.py it is, else its file name."""
        return str(self.values.get("name") or run_name(self.path) or self.path.stem)


def run_name(path: Path) -> str | None:
    """What a run is called, from the run.json beside its config.py; None for any other file.

    Raises:
        DataError: if run.json is damaged.
    """
    card = path.parent / RUN_CARD
    if path.name != RUN_CONFIG or not card.is_file():
        return None
    told = read_json(card)
    return str(told["name"]) if isinstance(told, dict) and told.get("name") else None


def load_config(path: str | Path, overrides: Iterable[str] = ()) -> Config:
    """Read a config file, its bases and the overrides of `--cfg-options`.

    Raises:
        ConfigError: for a file that is not data, a base that is missing or circular, or overrides that match nothing.
    """
    config = _load(locate(path), (), {})
    apply_overrides(config, overrides)
    return config


def _load(path: Path, parents: tuple[Path, ...], known: dict[Path, Config]) -> Config:
    """Read a file and what it inherits from; each file once, however many inherit from it (`known`)."""
    if path in known:
        return known[path]
    try:
        real = path.resolve()
    except (OSError, RuntimeError):  # links that lead back to themselves
        raise ConfigError(f"{shown(path)}: no such config file: a link in its path leads nowhere") from None
    if real in parents:
        chain = " -> ".join(str(parent) for parent in (*parents, real))
        raise ConfigError(f"{path}: _base_ leads back to itself: {chain}")
    if len(known) + len(parents) >= MAX_FILES:
        raise ConfigError(f"{path}: its _base_ leads to more than {MAX_FILES} files")
    own, own_origins = read_literals(path)
    bases = own.pop("_base_", [])
    for key in [key for key in own_origins if key[0] == "_base_"]:
        del own_origins[key]
    config = Config(path, {})
    for base in bases if isinstance(bases, list | tuple) else [bases]:
        if not isinstance(base, str):
            raise ConfigError(f"{path}: _base_ is a file name or a list of file names, got {base!r:.80}")
        target = _base(path, base)
        if not target.is_file():
            near = did_you_mean(base, [f"{PREFIX}{name}" for name in configs()]) if base.startswith(PREFIX) else ""
            raise ConfigError(f"{path}: its _base_ {base!r} does not exist (looked at {target}).{near}")
        parent = _load(target, (*parents, real), known)
        merge(config, parent.values, parent.origins, _known(parent, config.files))
        config.files |= parent.files
        config.notes += [note for note in parent.notes if note not in config.notes]
    merge(config, own, own_origins)
    config.files.add(real)
    known[path] = config
    return config


def _known(parent: Config, files: set[Path]) -> set[str]:
    """The origins of a base's values that lie in files which were merged before."""
    origins = {*parent.origins.values()} if parent.files & files else ()
    return {origin for origin in origins if Path(origin.rpartition(":")[0]).resolve() in files}


def _base(path: Path, base: str) -> Path:
    """The file that `_base_` of the config at `path` names."""
    try:
        if base.startswith(PREFIX):
            return locate(base)
        named = given_path(base)
        return Path(os.path.normpath(path.parent / named))
    except DataError as error:
        raise ConfigError(f"{path}: its _base_: {error}") from None


def merge(config: Config, values: Mapping[str, Any], origins: Origins, known: set[str] | None = None) -> None:
    """Merge `values` into `config` in place, save for those whose origins are `known`: they were merged before."""
    _merge(config, config.values, values, (), origins, known or set())


def _merge(
    config: Config, into: dict[str, Any], values: Mapping[str, Any], path: Path_, origins: Origins, known: set[str]
) -> None:
    for key, value in values.items():
        here = (*path, key)
        if key == "_delete_" or origins.get(here) in known:
            continue
        old = into.get(key)
        if isinstance(value, Mapping) and isinstance(old, dict) and not value.get("_delete_"):
            if value.get("type", old.get("type")) != old.get("type") and origins.get((*here, "type")) not in known:
                _drop_foreign(config, old, value, here)
            _merge(config, old, value, here, origins, known)
            config.origins[here] = origins.get(here, config.origins.get(here, ""))
        else:
            _forget(config, here, old)
            into[key] = _plain(value)
            config.origins.update({place: origins[place] for place in _places(value, here) if place in origins})


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items() if key != "_delete_"}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value


def _drop_foreign(config: Config, old: dict[str, Any], new: Mapping[str, Any], path: Path_) -> None:
    """Forget inherited arguments that the newly named class does not take."""
    section = path[0] if path[0] in SECTION_SLOTS and len(path) == 1 else None
    if slot_at(path) is None or not isinstance(new["type"], str):
        return
    if section and not is_open(section, old) and not is_open(section, new):
        return  # both forms have the same keys
    parameters: Mapping[str, Any] = {}
    try:
        parameters = taken_at(path, new["type"])
    except RegistryError:  # the check will name the unknown type; keeping foreign arguments would only add noise
        if section:
            return
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values()):
        return
    dropped = [key for key in old if key not in ("type", *parameters, *new)]
    for key in dropped:
        _forget(config, (*path, key), old.pop(key))
    if dropped:
        config.notes.append(
            f"{'.'.join(path)}: type is now {new['type']}, dropped what it does not take: {', '.join(dropped)}"
        )


def apply_overrides(config: Config, overrides: Iterable[str]) -> None:
    """Apply `KEY=VALUE` overrides; all that match nothing are reported at once.

    Raises:
        ConfigError: listing each override that is malformed or whose place does not exist.
    """
    problems, what = [], "matched nothing"
    for text in types_first(overrides):
        key, equals, value = text.partition("=")
        path = tuple(key.strip().split("."))
        problem: str | None = f"write KEY=VALUE, got {text!r:.120}"
        if equals and all(path) and len(path) <= MAX_DEPTH:
            try:
                plain_text(key, OVERRIDE)
                problem = _override(config, path, parse_value(value))
            except ConfigError as error:
                problem, what = str(error).removeprefix(f"{OVERRIDE}:1: "), "cannot be applied"
        if problem:
            problems.append(f"\n  {shown(key[:MAX_SHOWN])}  {problem}")
    if problems:
        raise ConfigError(f"{config.path}: {OVERRIDE}: {len(problems)} {what}" + "".join(problems))


def _override(config: Config, path: Path_, value: Any) -> str | None:
    """Set one value; returns what is wrong, or None."""
    at: Any = config.values
    for depth, key in enumerate(path[:-1]):
        here = path[: depth + 1]
        if isinstance(at, list) and is_index(key, at):
            at = at[int(key)]
        elif isinstance(at, dict) and isinstance(at.get(key), dict | list):
            at = at[key]
        elif isinstance(at, dict) and (_optional(here, at) or (slot_at(here) and path[-1] == "type")):
            at[key] = {}
            at = at[key]
        else:
            return _nothing_at(here, at)
    last = path[-1]
    if isinstance(at, list):
        if not is_index(last, at):
            return _nothing_at(path, at)
        _forget(config, path, at[int(last)])
        at[int(last)] = value
    elif isinstance(at, dict):
        if value is None and slot_at(path) is not None and last not in at and slot_at((*path[:-1], "\0")) is not None:
            return _nothing_at(path, at)
        if isinstance(value, dict) or _inside_list(config, path):
            _forget(config, path, at.get(last))
            at[last] = _plain(value)  # a dict is meant whole; inside a list merging would replace the list
        else:
            tree: Any = value
            for key in reversed(path):
                tree = {key: tree}
            merge(config, tree, {path: OVERRIDE})
    else:
        return _nothing_at(path, at)
    config.origins[path] = OVERRIDE
    return None


def _inside_list(config: Config, path: Path_) -> bool:
    value: Any = config.values
    for key in path[:-1]:
        if isinstance(value, list):
            return True
        value = value.get(key, {})
    return isinstance(value, list)


def _optional(path: Path_, parent: dict[str, Any]) -> bool:
    """A section or a sub-dict that may be absent and is then made: `runtime`, `hooks`, `param_groups`."""
    return len(path) == 1 and path[0] in (*SECTIONS, "hooks", "param_groups") and path[0] not in parent


def is_index(key: str, values: Sequence[Any]) -> bool:
    """Whether a part of a dotted key names an entry of a list."""
    return key.isascii() and key.isdigit() and len(key) < 10 and int(key) < len(values)


def _forget(config: Config, path: Path_, value: Any) -> None:
    """Drop what is known of the origins of the value that stood at `path`."""
    for place in _places(value, path):
        config.origins.pop(place, None)


def _places(value: Any, path: Path_) -> Iterator[Path_]:
    """The place of a value and of everything in it."""
    yield path
    inner: Iterable[tuple[Any, Any]] = ()
    if isinstance(value, Mapping):
        inner = value.items()
    elif isinstance(value, list | tuple):
        inner = enumerate(value)
    for key, item in inner:
        yield from _places(item, (*path, str(key)))


def _nothing_at(path: Path_, parent: Any) -> str:
    place = shown(".".join(path))[:MAX_SHOWN]
    if isinstance(parent, dict):
        value = parent.get(path[-1], "absent")
        if path[-1] in parent:
            return f"{place} is {value!r:.120}: set it whole, e.g. {place}.type=NAME or {place}=dict(type='NAME')"
        return (
            f"there is no {place} in this config.{did_you_mean(path[-1], parent)} There are: {', '.join(parent) or '-'}"
        )
    if isinstance(parent, list):
        return f"there is no {place}: the list has {len(parent)} entries, 0 to {len(parent) - 1}"
    return f"there is no {place}: {'.'.join(path[:-1])} is {parent!r:.120}"
