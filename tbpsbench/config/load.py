"""A config with its inheritance resolved and the origin of every value known.

Merging: dicts merge key by key, everything else replaces. Where a child (or an override) changes a component's `type`,
inherited arguments that the new class does not take are dropped and reported in `Config.notes`. `_delete_=True` in a
child's dict discards the inherited dict whole.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tbpsbench.arguments import did_you_mean
from tbpsbench.bundle import PREFIX, configs, locate
from tbpsbench.config.literal import Origins, Path_, parse_value, read_literals
from tbpsbench.config.schema import SECTIONS, optimizer_parameters, slot_at
from tbpsbench.errors import ConfigError, RegistryError
from tbpsbench.reading import read_json

OVERRIDE = "--cfg-options"
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
    """

    path: Path
    values: dict[str, Any]
    origins: Origins = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

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
    config = _load(locate(path), ())
    apply_overrides(config, overrides)
    return config


def _load(path: Path, parents: tuple[Path, ...]) -> Config:
    if path.resolve() in parents:
        chain = " -> ".join(str(parent) for parent in (*parents, path.resolve()))
        raise ConfigError(f"{path}: _base_ leads back to itself: {chain}")
    own, own_origins = read_literals(path)
    bases = own.pop("_base_", [])
    for key in [key for key in own_origins if key[0] == "_base_"]:
        del own_origins[key]
    config = Config(path, {})
    for base in bases if isinstance(bases, list | tuple) else [bases]:
        if not isinstance(base, str):
            raise ConfigError(f"{path}: _base_ is a file name or a list of file names, got {base!r}")
        target = locate(base) if base.startswith(PREFIX) else Path(os.path.normpath(path.parent / base))
        if not target.is_file():
            near = did_you_mean(base, [f"{PREFIX}{name}" for name in configs()]) if base.startswith(PREFIX) else ""
            raise ConfigError(f"{path}: its _base_ {base!r} does not exist (looked at {target}).{near}")
        parent = _load(target, (*parents, path.resolve()))
        merge(config, parent.values, parent.origins)
        config.notes += parent.notes
    merge(config, own, own_origins)
    return config


def merge(config: Config, values: Mapping[str, Any], origins: Origins) -> None:
    """Merge `values` into `config` in place."""
    _merge(config, config.values, values, (), origins)


def _merge(config: Config, into: dict[str, Any], values: Mapping[str, Any], path: Path_, origins: Origins) -> None:
    for key, value in values.items():
        if key == "_delete_":
            continue
        here = (*path, key)
        old = into.get(key)
        if isinstance(value, Mapping) and isinstance(old, dict) and not value.get("_delete_"):
            if "type" in value and value["type"] != old.get("type"):
                _drop_foreign(config, old, value, here)
            _merge(config, old, value, here, origins)
            config.origins[here] = origins.get(here, config.origins.get(here, ""))
        else:
            for known in [known for known in config.origins if known[: len(here)] == here]:
                del config.origins[known]
            into[key] = _plain(value)
            config.origins.update({k: v for k, v in origins.items() if k[: len(here)] == here})


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items() if key != "_delete_"}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value


def _drop_foreign(config: Config, old: dict[str, Any], new: Mapping[str, Any], path: Path_) -> None:
    """Forget inherited arguments that the newly named class does not take."""
    slot = slot_at(path)
    if slot is None and path != ("optimizer",):
        return
    try:
        parameters = slot.entry(new["type"]).parameters if slot else optimizer_parameters(new["type"])
    except RegistryError:
        parameters = {}  # the check will name the unknown type; keeping foreign arguments would only add noise
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values()):
        return
    dropped = [key for key in old if key not in ("type", *parameters, *new)]
    for key in dropped:
        del old[key]
        for known in [known for known in config.origins if known[: len(path) + 1] == (*path, key)]:
            del config.origins[known]
    if dropped:
        config.notes.append(
            f"{'.'.join(path)}: type is now {new['type']}, dropped what it does not take: {', '.join(dropped)}"
        )


def apply_overrides(config: Config, overrides: Iterable[str]) -> None:
    """Apply `KEY=VALUE` overrides; all that match nothing are reported at once.

    Raises:
        ConfigError: listing each override that is malformed or whose place does not exist.
    """
    problems = []
    # Types first, so that `fuser.type=X fuser.depth=2` works in either order.
    for text in sorted(overrides, key=lambda text: not text.partition("=")[0].endswith(".type")):
        key, equals, value = text.partition("=")
        path = tuple(key.strip().split("."))
        problem = f"write KEY=VALUE, got {text!r}" if not equals or not all(path) else None
        problem = problem or _override(config, path, parse_value(value))
        if problem:
            problems.append(f"\n  {key}  {problem}")
    if problems:
        raise ConfigError(f"{config.path}: {OVERRIDE}: {len(problems)} matched nothing" + "".join(problems))


def _override(config: Config, path: Path_, value: Any) -> str | None:
    """Set one value; returns what is wrong, or None."""
    at: Any = config.values
    for depth, key in enumerate(path[:-1]):
        here = path[: depth + 1]
        if isinstance(at, list) and key.isdigit() and int(key) < len(at):
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
        if not last.isdigit() or int(last) >= len(at):
            return _nothing_at(path, at)
        at[int(last)] = value
        _forget(config, path)
    elif isinstance(at, dict):
        if value is None and slot_at(path) is not None and last not in at and slot_at((*path[:-1], "\0")) is not None:
            return _nothing_at(path, at)
        if isinstance(value, dict) or _inside_list(config, path):
            at[last] = _plain(value)  # a dict is meant whole; inside a list merging would replace the list
            _forget(config, path)
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


def _forget(config: Config, path: Path_) -> None:
    for known in [known for known in config.origins if known[: len(path)] == path]:
        del config.origins[known]


def _nothing_at(path: Path_, parent: Any) -> str:
    place = ".".join(path)
    if isinstance(parent, dict):
        value = parent.get(path[-1], "absent")
        if path[-1] in parent:
            return f"{place} is {value!r}: set it whole, e.g. {place}.type=NAME or {place}=dict(type='NAME')"
        return (
            f"there is no {place} in this config.{did_you_mean(path[-1], parent)} There are: {', '.join(parent) or '-'}"
        )
    if isinstance(parent, list):
        return f"there is no {place}: the list has {len(parent)} entries, 0 to {len(parent) - 1}"
    return f"there is no {place}: {'.'.join(path[:-1])} is {parent!r}"
