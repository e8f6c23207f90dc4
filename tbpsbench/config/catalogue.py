"""Every component that a config can name: by slot, one by one, and as the page docs/components.md."""

from __future__ import annotations

import inspect
import re
import textwrap
from collections.abc import Iterator
from typing import Any

from tbpsbench import plugins
from tbpsbench.arguments import did_you_mean
from tbpsbench.entries import Entry
from tbpsbench.errors import ConfigError, RegistryError
from tbpsbench.registration import Registry
from tbpsbench.registry import OPTIMIZERS, SLOTS

WIDTH = 110


def overview(wanted: str | None = None) -> str:
    """The names of every slot, or of one, each with the first sentence of what it does; plug-ins' are marked.

    Args:
        wanted: a slot, in any of its spellings: "LOSSES", "losses", "loss".

    Raises:
        ConfigError: if there is no such slot.
    """
    plugins.load_all()
    chosen = [slot for slot in SLOTS.values() if wanted is None or wanted.lower() in _spellings(slot)]
    if not chosen:
        raise ConfigError(f"no slot is called {wanted!r}. Slots: {', '.join(SLOTS)}")
    blocks = []
    for slot in chosen:
        rows = [(name, entry, _first_sentence(entry)) for name, entry in _entries(slot)]
        width = max((len(name) for name, _, _ in rows), default=0)
        lines = [
            f"  {name:<{width}}  {textwrap.shorten(said, WIDTH - width, placeholder=' ...')}"
            + (f"  [{entry.plugin}]" if entry.plugin else "")
            for name, entry, said in rows
        ]
        blocks.append("\n".join([f"{slot.slot}  ({slot.plural})", *lines]))
    return "\n\n".join(blocks)


def details(name: str) -> str:
    """What one component does, and its arguments with their defaults; of every slot that has the name.

    Raises:
        ConfigError: if none has.
    """
    plugins.load_all()
    found = [(slot, entry) for slot in SLOTS.values() for known, entry in _entries(slot) if known == name]
    if not found:
        known = [known for slot in SLOTS.values() for known, _ in _entries(slot)]
        near = did_you_mean(name, [*known, *(spelling for slot in SLOTS.values() for spelling in _spellings(slot))])
        raise ConfigError(f"no component is called {name!r}, and no slot.{near} All: tools/components.py")
    return "\n\n".join(_detail(slot, name, entry) for slot, entry in found)


def page() -> str:
    """All built-in components as Markdown."""
    lines = [
        "# Components", "",
        "Every built-in name that a config can hold, by slot; made by `python tools/components.py --markdown`. On a "
        "terminal, and with plug-ins: `python tools/components.py` lists all, `... losses` one slot, `... InfoNCE` "
        "tells what one component does and what its arguments mean. Optimisers are torch's.",
    ]  # fmt: skip
    for slot in SLOTS.values():
        if slot is OPTIMIZERS:
            continue
        lines += [
            "",
            f"## {slot.plural[0].upper()}{slot.plural[1:]}",
            "",
            "| type | what | arguments |",
            "| --- | --- | --- |",
        ]
        for name, entry in _entries(slot):
            if slot.is_builtin(name):
                arguments = ", ".join(_arguments(slot, entry)).replace("|", "\\|")
                said = _first_sentence(entry).replace("|", "\\|")
                lines.append(f"| [`{name}`](../{entry.origin.partition(':')[0]}) | {said} | {arguments} |")
    return "\n".join(lines) + "\n"


def _entries(slot: Registry[Any]) -> Iterator[tuple[str, Entry[Any]]]:
    for name in slot.names():
        try:
            yield name, slot.entry(name)
        except RegistryError:  # its package is not installed
            continue


def _spellings(slot: Registry[Any]) -> set[str]:
    return {
        text.lower().replace(" ", joint) for text in (slot.slot, slot.kind, slot.plural) for joint in (" ", "_", "-")
    }


def _said(entry: Entry[Any]) -> str:
    """A class' own words: those of its base are about another one (inspect.getdoc would take them)."""
    return inspect.cleandoc(entry.cls.__doc__ or "")


def _first_sentence(entry: Entry[Any]) -> str:
    text = " ".join(_said(entry).split("\n\n")[0].split())
    return re.split(r"(?<=[.;])\s", text)[0].rstrip(".;")


def _arguments(slot: Registry[Any], entry: Entry[Any]) -> Iterator[str]:
    """`name` where it is needed, `name=default` otherwise; what the framework supplies is left out."""
    for name, parameter in entry.parameters.items():
        if parameter.kind is parameter.VAR_KEYWORD:
            yield f"`**{name}`"
        elif name not in slot.context and parameter.kind is not parameter.VAR_POSITIONAL:  # no config can give these
            needed = parameter.default is inspect.Parameter.empty
            yield f"`{name}`" if needed else f"`{name}={parameter.default!r}`"


def _detail(slot: Registry[Any], name: str, entry: Entry[Any]) -> str:
    given = ", ".join(argument.strip("`") for argument in _arguments(slot, entry))
    call = textwrap.fill(f"dict(type={name!r}{', ' * bool(given)}{given})", WIDTH, subsequent_indent="     ")
    where = f"{slot.kind}, {entry.origin}" + (f", plug-in {entry.plugin}" if entry.plugin else "")
    return f"{name}  ({where})\n\n{call}\n\n{_said(entry)}".rstrip()
