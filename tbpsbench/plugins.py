"""Plug-ins: packages that name a module under the entry point `tbpsbench.plugins`.

Loading one imports that module, whose classes register themselves. A plug-in that fails does not break what does not
need it: everything that it registered is taken back, the failure is kept, warned about once, and shown by every look-up
that misses a name. What a plug-in prints goes to standard error. What each plug-in registered, and which of it a config
used, is written into every record.
"""

from __future__ import annotations

import sys
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path

from tbpsbench.reading import shown
from tbpsbench.streams import held_output

GROUP = "tbpsbench.plugins"
MAX_LINES_SHOWN = 20  # of what a plug-in prints


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

    @property
    def package(self) -> str:
        """The package that its target lies in."""
        return self.target.partition(":")[0].split(".")[0]


@dataclass
class _Registration:
    """Something that a package registered, and how to take it back; `item` is its slot and name if it has any."""

    package: str
    undo: Callable[[], object]
    item: tuple[str, str] | None


_made: list[_Registration] = []
# By name, distribution and target: two packages may give their entry points one name.
_plugins: dict[tuple[str, str, str], Plugin] = {}
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
    """Import one plug-in. A failure of any kind, `sys.exit` included, becomes its `error` and a warning.

    Raises:
        KeyboardInterrupt: if the user interrupts; the plug-ins are then loaded anew by the next look-up.
    """
    global _done
    twin = next((other for other in _plugins.values() if other.name == plugin.name), None)
    _plugins[plugin.name, plugin.distribution, plugin.target] = plugin
    if twin is not None and twin.target != plugin.target:
        warnings.warn(
            f"two plug-ins are called {plugin.name!r}: of {twin.distribution} {twin.version} and of "
            f"{plugin.distribution} {plugin.version}. Both are loaded; uninstall the one that is not meant.",
            stacklevel=2,
        )
    made, modules = len(_made), set(sys.modules)
    with _current(plugin), held_output() as printed:
        try:
            if not all(part.isidentifier() for part in plugin.target.partition(":")[0].split(".")):
                raise ImportError(f"{plugin.target!r} is not the name of a module")
            point.load()
            _adopt(plugin)
        except BaseException as error:  # a plug-in must not end the process
            _take_back(plugin, made, modules)
            if isinstance(error, KeyboardInterrupt):
                _done = False
                raise
            plugin.error = explain(error, plugin.package, f"entry point {plugin.name} = {plugin.target}")
    _pass_on(plugin, "".join(printed))
    if plugin.error:
        warnings.warn(
            f"plug-in {plugin.name!r} ({plugin.distribution} {plugin.version}) failed to load: {plugin.error}",
            stacklevel=2,
        )


def _take_back(plugin: Plugin, made: int, modules: set[str]) -> None:
    """Undo what a failed plug-in registered and forget its modules: a half-imported one would never register again.

    Args:
        plugin: which one.
        made: how many registrations there were before it was loaded.
        modules: names of the modules that were there before.
    """
    others = (other for other in _plugins.values() if other is not plugin and not other.error)
    whole = all(other.package != plugin.package for other in others)  # parts of the package may have come earlier
    packages = {plugin.package}
    for number in reversed(range(len(_made))):
        known = _made[number]
        if number >= made or (whole and known.package == plugin.package):
            known.undo()
            packages.add(known.package)
            del _made[number]
            for other in _plugins.values():
                other.registered = [item for item in other.registered if item != known.item]
    for name in list(sys.modules):
        package = name.split(".")[0]
        if package in packages and (name not in modules or (whole and package == plugin.package)):
            del sys.modules[name]


def explain(error: BaseException, package: str, otherwise: str) -> str:
    """What happened, and the line of a package where it did.

    Args:
        error: as it was caught.
        package: whose line to name.
        otherwise: the place to name where no line of the package was running.
    """
    if isinstance(error, SystemExit):
        said = f"it called sys.exit({error.code!r})"
    else:
        try:
            said = f"{type(error).__name__}: {error}"
        except Exception:  # its own __str__ fails
            said = type(error).__name__
    frames = [
        (frame.f_code.co_filename, line)
        for frame, line in traceback.walk_tb(error.__traceback__)
        if str(frame.f_globals.get("__name__")).split(".")[0] == package
    ]
    if isinstance(error, SyntaxError) and error.filename:
        frames.append((error.filename, error.lineno or 1))
    place = short_place(*frames[-1], package) if frames else otherwise
    return "\n".join(map(shown, said.splitlines())) + (f"   ({place})" if place not in said else "")


def short_place(file: str, line: int, package: str) -> str:
    """'package/module.py:12' for a line of a package, without the folders that it is installed in."""
    parts = Path(file).parts
    start = parts.index(package) if package in parts else (-1 if parts and parts[-1] == f"{package}.py" else 0)
    return f"{shown(Path(*parts[start:]))}:{line}"


def _pass_on(plugin: Plugin, printed: str) -> None:
    """Show on standard error what a plug-in printed while it was imported."""
    lines = [shown(line) for line in printed.splitlines() if line.strip()]
    if lines and sys.stderr is not None:
        more = ["..."] if len(lines) > MAX_LINES_SHOWN else []
        text = "".join(f"  {line}\n" for line in [*lines[:MAX_LINES_SHOWN], *more])
        sys.stderr.write(f"plug-in {plugin.name!r} printed while it was loaded:\n{text}")


def failed() -> list[Plugin]:
    """Plug-ins that are installed but could not be loaded."""
    return [plugin for plugin in load_all() if plugin.error]


def note(module: str, undo: Callable[[], object], item: tuple[str, str] | None = None) -> str | None:
    """Remember a registration, so that it can be taken back should the plug-in that made it fail.

    Args:
        module: where the class or function is written; "" if that is not known.
        undo: takes it back.
        item: slot and name, for what is written into records.

    Returns:
        the plug-in that it belongs to; None for tbpsbench's own parts and for what is registered outside of plug-ins.
    """
    package = module.split(".")[0]
    if package == "tbpsbench":
        return None
    _made.append(_Registration(package, undo, item))
    if not _loading:
        return None
    # A plug-in may import another one, whose parts stay its own.
    owners = [*_loading, *(known for known in _plugins.values() if not known.error)]
    owner = next((known for known in owners if known.package == package), _loading[-1])
    if item is not None:
        owner.registered.append(item)
    return owner.name


def is_loading(item: tuple[str, str]) -> bool:
    """Whether the plug-in that is being imported registered this slot and name a moment ago."""
    return bool(_loading) and item in _loading[-1].registered


def _adopt(plugin: Plugin) -> None:
    """Credit a plug-in with what its package registered earlier, because somebody had imported it directly."""
    from tbpsbench.registry import SLOTS

    others = {known.name for known in _plugins.values() if known.package == plugin.package and known is not plugin}
    for slot in SLOTS.values():
        owned = [(slot.slot, name) for name in slot.adopt(plugin.package, plugin.name, others)]
        plugin.registered += [item for item in owned if item not in plugin.registered]
        for other in _plugins.values():
            if other is not plugin:
                other.registered = [item for item in other.registered if item not in owned]


@contextmanager
def _current(plugin: Plugin) -> Iterator[None]:
    _loading.append(plugin)
    try:
        yield
    finally:
        _loading.pop()
