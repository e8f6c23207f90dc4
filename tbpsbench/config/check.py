"""The static check: everything wrong with a config, at once, before any data is read."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator, Mapping
from typing import Any

from tbpsbench import plugins
from tbpsbench.arguments import did_you_mean
from tbpsbench.config.caption_files import caption_source
from tbpsbench.config.data_check import data_problems
from tbpsbench.config.evaluation_check import evaluation_problems
from tbpsbench.config.fit import misfits
from tbpsbench.config.flat import flatten
from tbpsbench.config.limits import limit_problems, optimizer_problems, param_group_problems, schedule_problems
from tbpsbench.config.literal import OVERRIDE
from tbpsbench.config.load import Config
from tbpsbench.config.open_sections import FRAME, SECTION_SLOTS, is_open
from tbpsbench.config.places import components
from tbpsbench.config.resolve import PREFIX
from tbpsbench.config.schema import REQUIRED, SECTIONS, TOP_LEVEL, frame, with_defaults
from tbpsbench.config.selection import metric_problems
from tbpsbench.config.tried import constructor_problems
from tbpsbench.config.wiring_check import wiring_problems
from tbpsbench.entries import Entry, Problem, argument_problems
from tbpsbench.errors import ConfigError
from tbpsbench.reading import shown

MAX_MESSAGE = 1000  # characters of one message: a value may be of any length
MAX_NAME = 200  # as records have it
SHA256 = re.compile("[0-9a-f]{64}")
PART = re.compile(r"\w[\w-]{0,99}")  # a name that features and modules are called by


def check(config: Config, *, trained: bool = False, other_model: bool = False) -> list[Problem]:
    """All problems of a config; an empty list means that it can be built as far as can be told without data.

    Args:
        config: as loaded.
        trained: it belongs to a trained system, whose parts fit each other.
        other_model: it says how to evaluate a model that is not its own.
    """
    if is_suite(config):
        return [Problem("entries", "this is a suite, not a config.", f"python tools/leaderboard.py run {config.path}")]
    found = [*_top_level(config.values), *_plugins(config.values), *_sections(config.values)]
    for path, slot, value in components(config.values):
        if len(path) == 1 and path[0] in (*SECTION_SLOTS, "optimizer"):
            continue  # looked at by _sections and optimizer_problems
        named = caption_source(value) if path == ("data", "captions") and isinstance(value, str) else value
        found += slot.problems(named, ".".join(path))
    found += data_problems(config.values.get("data"))
    if "optimizer" in config.values:
        found += optimizer_problems(config.values["optimizer"])
    found += param_group_problems(config.values.get("param_groups"))
    found += _from_data(config.values)
    found += limit_problems(config.values)
    if not found:
        found += schedule_problems(config.values)
        found += constructor_problems(config.values)
        found += evaluation_problems(config.values, other_model=other_model)
        found += wiring_problems(with_defaults(config.values))
        if not trained:
            found += [*misfits(with_defaults(config.values)), *metric_problems(config.values.get("evaluation") or {})]
    return found


def is_suite(config: Config) -> bool:
    """Whether a file is a leaderboard's suite and no config."""
    return "entries" in config.values and "model" not in config.values


def require_valid(config: Config) -> None:
    """Raise one ConfigError that lists every problem.

    Raises:
        ConfigError: laid out as `path  message`, with the fix below each message.
    """
    if found := check(config):
        raise ConfigError(report(config, found))


def report(config: Config, found: list[Problem]) -> str:
    """The problems as a table for people, with the place where each value was written."""
    width = min(max(len(problem.path) for problem in found), 44)
    lines = [f"{config.path}: {len(found)} problem{'s' * (len(found) > 1)}", ""]
    for problem in found:
        origin = _written(config, tuple(problem.path.split(".")))
        lines.append(f"  {shown(problem.path)[:MAX_MESSAGE]:<{width}}  {problem.message[:MAX_MESSAGE]}")
        lines += [f"  {'':<{width}}  {line[:MAX_MESSAGE]}" for line in problem.hint.splitlines()]
        if origin:
            lines.append(f"  {'':<{width}}  (written at {origin})")
    return "\n".join(lines)


def _written(config: Config, path: tuple[str, ...]) -> str:
    """Where a value is written, and which parts of it an override changed."""
    origin, depth = config.origins.get(path, ""), len(path)
    parts = [".".join(at) for at, of in config.origins.items() if of == OVERRIDE and at[:depth] == path and at[depth:]]
    changed = [f"changed by {OVERRIDE}: {', '.join(parts)}"] if parts and origin != OVERRIDE else []
    return ", ".join([*([origin] if origin else []), *changed])


def _top_level(values: Mapping[str, Any]) -> Iterator[Problem]:
    for key in values:
        if key not in TOP_LEVEL:
            yield Problem(
                key,
                f"a config has no section {key!r}.{did_you_mean(key, TOP_LEVEL)}",
                f"Sections: {', '.join(TOP_LEVEL)}",
            )
    for key in REQUIRED:
        if key not in values:
            yield Problem(key, f"the section {key!r} is missing; inherit it from configs/_base_ or write it.")
    name = values.get("name", "-")
    if not isinstance(name, str) or not 0 < len(name) <= MAX_NAME or not name.isprintable() or not name.strip():
        yield Problem("name", f"name is {name!r:.80}, expected a printable name of 1 to {MAX_NAME} characters")
    yield from _start(values.get("load_from"))
    if not isinstance(values.get("hooks") or {}, Mapping):
        yield Problem("hooks", "hooks is a dict of named hooks: hooks=dict(name=dict(type='...'))")


def _from_data(values: Mapping[str, Any]) -> Iterator[Problem]:
    """Values from the data are filled in when the model is built, and nowhere else."""
    for path, value in flatten(values):
        if isinstance(value, str) and value.startswith(PREFIX) and path[0] != "model":
            yield Problem(
                ".".join(path),
                f"{value!r:.80}: values from the data are filled in below model alone.",
                "Write the number itself.",
            )


def _start(value: Any) -> Iterator[Problem]:
    """A file or folder; as records have it with the system that it must hold."""
    keys = dict(value) if isinstance(value, Mapping) else {"file": value}
    file, system = keys.pop("file", None), keys.pop("system", "0" * 64)
    if value is None or (isinstance(file, str) and file.strip() and SHA256.fullmatch(str(system)) and not keys):
        return
    yield Problem(
        "load_from",
        f"load_from is {value!r:.80}, expected a checkpoint or a run's folder.",
        "load_from='work_dirs/my_run', or load_from=dict(file='work_dirs/my_run', system='SYSTEM_SHA256')",
    )


def _plugins(values: Mapping[str, Any]) -> Iterator[Problem]:
    wanted = values.get("plugins", [])
    if not isinstance(wanted, list | tuple) or not all(isinstance(name, str) for name in wanted):
        yield Problem("plugins", f"plugins is a list of names, got {wanted!r}")
        return
    installed = plugins.load_all()
    loaded = dict.fromkeys(plugin.name for plugin in installed)
    for name in wanted:
        of_the_name = [plugin for plugin in installed if plugin.name == name]
        if not of_the_name:
            near = did_you_mean(name, loaded)
            yield Problem(
                "plugins",
                f"this config needs the plug-in {name!r}, which is not installed.{near}",
                f"Install it, e.g. pip install ./plugins/{name}   (installed: {', '.join(loaded) or 'none'})",
            )
        elif all(plugin.error for plugin in of_the_name):  # of two packages, the whole one may be the one that is meant
            for plugin in of_the_name:
                whose = f" (of {plugin.distribution} {plugin.version})" if len(of_the_name) > 1 else ""
                message = f"the plug-in {name!r}{whose} is installed but failed to load: {plugin.error}"
                yield Problem("plugins", message)


def _sections(values: Mapping[str, Any]) -> Iterator[Problem]:
    for name, section in SECTIONS.items():
        if name not in values:
            continue
        if not isinstance(values[name], Mapping):
            yield Problem(name, f"{name} is a dict, got {values[name]!r}")
            continue
        if is_open(name, values[name]):
            yield from _open_section(name, values[name])
            continue
        parameters = dict(inspect.signature(section).parameters)
        entry: Entry[Any] = Entry(section, f"tbpsbench/config/schema.py, {section.__name__}", parameters=parameters)
        found = argument_problems(entry, {"type": None, **values[name]}, name, set(), name)
        needed = [
            f"{name}.{key}"
            for key, parameter in parameters.items()
            if values[name].get(key, 0) is None and "None" not in str(parameter.annotation)
        ]
        yield from (problem for problem in found if problem.path not in needed)
        for path in needed:
            yield Problem(path, f"{path} is needed and cannot be None.", "Give it, or drop the override.")
        if "type" in values[name] and "type" not in parameters:
            yield Problem(f"{name}.type", f"{name} is a section and has no type.", "Remove it.")
        for key in ("heads", "losses") if name == "model" else ():
            named = values[name].get(key, {})
            if not isinstance(named, Mapping):
                yield Problem(f"model.{key}", f"{key} are named: {key}=dict(name=dict(type='...'))")
                continue
            for part in named:
                if not PART.fullmatch(part) or hasattr(dict, part):
                    yield Problem(
                        f"model.{key}.{part}", f"{part!r:.80} cannot be a name here: take letters, digits, - and _"
                    )


def _open_section(name: str, section: Mapping[str, Any]) -> Iterator[Problem]:
    """A section that a plug-in's class reads: its arguments, and the keys that every schedule has."""
    kept = FRAME if name == "schedule" else ("type",)
    own = {key: value for key, value in section.items() if key not in kept}
    yield from SECTION_SLOTS[name].problems({"type": section["type"], **own}, name)
    if name == "schedule":
        entry: Entry[Any] = Entry(SECTIONS[name], "tbpsbench/config/schema.py, ScheduleSection", parameters=frame())
        framed = {key: section[key] for key in section if key in kept and key != "type"}
        yield from argument_problems(entry, framed, name, set(), name)
