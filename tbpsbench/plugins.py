"""Plug-ins: packages that name a module under the entry point `tbpsbench.plugins`.

Loading one imports that module, whose classes register themselves. A plug-in that fails does not break what does not
need it: the failure is kept, warned about once, and shown by every look-up that misses a name. What each plug-in
registered, and which of it a config used, is written into every record.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import metadata

GROUP = "tbpsbench.plugins"


@dataclass
class Plugin:
    """One installed plug-in and what became of it.

    Attributes:
        name: the entry point's name.
        target: the module it names.
        distribution, version: the package that ships it.
        registered: (slot, name) pairs that it added.
        error: why it failed to load, or None.
    """

    name: str
    target: str
    distribution: str
    version: str
    registered: list[tuple[str, str]] = field(default_factory=list)
    error: str | None = None


_plugins: dict[str, Plugin] = {}
_loading: list[Plugin] = []
_done = False


def load_all() -> list[Plugin]:
    """Load every installed plug-in once, in the order of their names; returns them all, failed ones included."""
    global _done
    if _done or _loading:
        return list(_plugins.values())
    _done = True
    for point in sorted(metadata.entry_points(group=GROUP), key=lambda point: point.name):
        distribution = point.dist.name if point.dist else "unknown"
        version = point.dist.version if point.dist else "unknown"
        load_one(Plugin(point.name, point.value, distribution, version), point)
    return list(_plugins.values())


def load_one(plugin: Plugin, point: metadata.EntryPoint) -> None:
    """Import one plug-in; a failure of any kind becomes its `error` and a warning."""
    _plugins[plugin.name] = plugin
    with _current(plugin):
        try:
            point.load()
            _adopt(plugin)
        except Exception as error:
            plugin.error = f"{type(error).__name__}: {error}"
            warnings.warn(
                f"plug-in {plugin.name!r} ({plugin.distribution} {plugin.version}) failed to load: {plugin.error}",
                stacklevel=2,
            )


def failed() -> list[Plugin]:
    """Plug-ins that are installed but could not be loaded."""
    return [plugin for plugin in load_all() if plugin.error]


def current() -> str | None:
    """Name of the plug-in that is being imported right now, if any."""
    return _loading[-1].name if _loading else None


def note(slot: str, name: str) -> None:
    """Remember that the plug-in being imported registered `name` in `slot`."""
    if _loading:
        _loading[-1].registered.append((slot, name))


def _adopt(plugin: Plugin) -> None:
    """Credit a plug-in with what its package registered earlier, because somebody had imported it directly."""
    from tbpsbench.registry import SLOTS

    package = plugin.target.partition(":")[0].split(".")[0]
    for slot in SLOTS.values():
        owned = [(slot.slot, name) for name in slot.adopt(package, plugin.name)]
        plugin.registered += [item for item in owned if item not in plugin.registered]


@contextmanager
def _current(plugin: Plugin) -> Iterator[None]:
    _loading.append(plugin)
    try:
        yield
    finally:
        _loading.pop()
