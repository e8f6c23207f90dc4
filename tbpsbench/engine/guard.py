"""Whether what is in a run's folder is the run that is to go on: config, captions, pictures, plug-ins."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from tbpsbench.config.flat import canonical, differences
from tbpsbench.config.places import components
from tbpsbench.engine.resumable import PICTURES, kept_config, require_sound
from tbpsbench.errors import CheckpointError
from tbpsbench.reading import shown
from tbpsbench.records.changed import change
from tbpsbench.records.environment import plugin_provenance
from tbpsbench.records.identity import in_first_form, same_run
from tbpsbench.registry import PROTOCOLS
from tbpsbench.system import System
from tbpsbench.weights.files import read_checkpoint

MAX_SHOWN, MAX_VALUE, MAX_HASH = 20, 60, 12
PLUGINS = "plugins"  # as keys: "plugins.NAME"
# Where one of these was changed, pictures are decoded otherwise, and their hashes cannot be compared.
DECODING = ("data.size", "data.interpolation")


class Continued(NamedTuple):
    """How a run that goes on differs from what it was.

    Attributes:
        changed: keys of the config that differ, and what else was changed: "pictures", "plugins.NAME".
        changes: everything that was changed so far and a reader must know, as records tell it (records/changed.py).
        notes: what the user should know now.
    """

    changed: frozenset[str]
    changes: list[dict[str, Any]]
    notes: list[str]


def guard_resume(path: Path, system: System, allowed: Collection[str], pictures: str | None = None) -> Continued:
    """Refuse to go on with a run whose config or data have changed since, which mmengine would ignore or mix.

    Other versions of plug-ins are no reason: a mended plug-in is why many runs are resumed. They are told.

    Args:
        path: last.pth of the run.
        system: what is to be trained, as it is now.
        allowed: keys (or beginnings of keys) that may differ, from `--allow-config-change`.
        pictures: hash of the decoded pictures; None where it is not known.

    Raises:
        CheckpointError: naming every changed key with its old and new value, or the value of the checkpoint that no run
            writes.
    """
    content = read_checkpoint(path)
    own = require_sound(content, path)
    lines = run_changes(own, system, path, lambda key: same_run(key, tuple(allowed)), pictures)
    if lines:
        raise CheckpointError(
            f"{shown(path)}: the run was started with other settings:{''.join(lines)}\n"
            "Keep the old ones, or start again (--overwrite, --work-dir), or, if you mean it, name the keys with "
            "--allow-config-change KEY."
        )
    changed = run_differences(own, system, path, pictures)
    plugins = plugin_changes(own, system.config)
    done = content.get("meta", {}).get("epoch", 0)
    known = list((own.get("trained_on") or {}).get("changes", ()))
    told = {key: values for key, values in changed.items() if not same_run(key)} | plugins
    notes = [
        f"the plug-in {key.removeprefix(f'{PLUGINS}.')!r} was {old}, now it is {new}; the record tells so"
        for key, (old, new) in plugins.items()
    ]
    new = [change(done, key, old, value) for key, (old, value) in told.items()]
    return Continued(frozenset({*changed, *plugins}), known + new, notes)


def run_hashes(system: System, pictures: str | None = None) -> dict[str, str]:
    """SHA-256 of everything that decides what a model in training reads: caption files, tokenizer and pictures.

    Args:
        system: what is trained.
        pictures: hash of the decoded pictures; None where it is not known.
    """
    hashes = {} if system.trained_on is None else dict(system.trained_on.hashes)
    return hashes | {"tokenizer": system.tokenizer.sha256} | ({} if pictures is None else {PICTURES: pictures})


def used_plugins(config: Mapping[str, Any]) -> dict[str, str]:
    """The plug-ins that a config names or uses a part of: name -> package and version."""
    used = {(slot.slot, str(value.get("type"))) for _, slot, value in components(config) if isinstance(value, Mapping)}
    used |= {(PROTOCOLS.slot, asked) for asked in config.get("evaluation", {}).get("protocols", ())}
    found: dict[str, str] = {}
    for plugin in plugin_provenance(used):
        if plugin["used"] or plugin["name"] in (config.get(PLUGINS) or ()):
            named = f"{plugin['distribution']} {plugin['version']}"
            found[plugin["name"]] = f"{found[plugin['name']]}, {named}" if plugin["name"] in found else named
    return found


def plugin_changes(own: Mapping[str, Any], config: Mapping[str, Any]) -> dict[str, tuple[str, str]]:
    """Plug-ins of a run that are of another version or package now: "plugins.NAME" -> (old, new).

    Args:
        own: what the checkpoint says; those of before versions were kept say nothing.
        config: as it is now. A plug-in that only one of the two uses is told by the keys of the config that differ.
    """
    before, now = own.get(PLUGINS) or {}, used_plugins(config)
    return {
        f"{PLUGINS}.{name}": (str(before[name]), now[name])
        for name in sorted(before.keys() & now.keys())
        if before[name] != now[name]
    }


def run_differences(
    own: Mapping[str, Any], system: System, path: Path, pictures: str | None = None
) -> dict[str, tuple[Any, Any]]:
    """Keys of a system's config that differ from what a checkpoint says of its own, and "pictures" where they do.

    Returns:
        key -> (old, new).

    Raises:
        CheckpointError: if what the checkpoint says is no config.
    """
    found = differences(in_first_form(kept_config(own, path)), json.loads(canonical(in_first_form(system.config))))
    before = (own.get("data") or {}).get(PICTURES)
    if before != pictures and None not in (before, pictures) and not any(_below(key, DECODING) for key in found):
        found[PICTURES] = (before, pictures)
    return found


def run_changes(
    own: Mapping[str, Any],
    system: System,
    path: Path,
    may_differ: Callable[[str], bool] = same_run,
    pictures: str | None = None,
) -> list[str]:
    """How a system differs from what a run's checkpoint says about its own, a line for each difference.

    Args:
        own: what the checkpoint says, of any form.
        system: as config and data make it now.
        path: of the checkpoint.
        may_differ: tells the keys of the config, "pictures" among them, that need not be equal.
        pictures: hash of the decoded pictures; None where it is not known.

    Raises:
        CheckpointError: if what the checkpoint says is no config.
    """
    data = run_hashes(system)
    lines = [
        _line(key, old, new)
        for key, (old, new) in run_differences(own, system, path, pictures).items()
        if not may_differ(key)
    ] + [
        f"\n  annotations {_short(name)}: {old[:MAX_HASH]} -> {data.get(name, '(absent)')[:MAX_HASH]}"
        for name, old in dict(own.get("data") or {}).items()
        if name != PICTURES and data.get(name) != old
    ]
    more = [f"\n  ... and {len(lines) - MAX_SHOWN} more"] * (len(lines) > MAX_SHOWN)
    return lines[:MAX_SHOWN] + more


def _line(key: str, old: Any, new: Any) -> str:
    if key == PICTURES:
        why = "other files under their names, or another version of Pillow that decodes them otherwise"
        return f"\n  {PICTURES}: {old[:MAX_HASH]} -> {new[:MAX_HASH]}   ({why})"
    return f"\n  {_short(shown(key))}: {_short(repr(old))} -> {_short(repr(new))}"


def _short(text: str) -> str:
    return text if len(text) <= MAX_VALUE else f"{text[:MAX_VALUE]}..."


def _below(key: str, names: Collection[str]) -> bool:
    return any(key == name or key.startswith(f"{name}.") for name in names)
