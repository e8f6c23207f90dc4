"""Checkpoints that a system's own code released, brought to this package's names.

A plug-in registers one converter for its system; `tools/convert_checkpoint.py` finds it:

    @converter("my-system", detect=lambda state: "my_head.weight" in state)
    def from_released(state, model):
        return {ours(name): tensor for name, tensor in state.items()}

A converter renames and reshapes, it does not judge: a name that it does not know stays as it is, and the strict loading
that follows reports it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from tbpsbench import plugins
from tbpsbench.errors import CheckpointError, RegistryError

State = Mapping[str, Tensor]
Convert = Callable[[State, nn.Module], dict[str, Tensor]]
Detect = Callable[[State], bool]


@dataclass(frozen=True)
class Converter:
    """One system's converter.

    Attributes:
        name: the system.
        detect: whether a state dict is of this system, told by its names.
        convert: (released state dict, the model to be loaded) -> state dict in the model's names.
    """

    name: str
    detect: Detect
    convert: Convert

    @property
    def package(self) -> str:
        """The package that it is written in."""
        return self.convert.__module__.split(".")[0]


_converters: dict[str, Converter] = {}


def converter(name: str, *, detect: Detect) -> Callable[[Convert], Convert]:
    """Function decorator that registers a converter (see `Converter`).

    Raises:
        RegistryError: if another function has the name.
    """

    def add(convert: Convert) -> Convert:
        known = _converters.get(name)
        if known is not None and _spelled(known.convert) != _spelled(convert):
            raise RegistryError(f"converter {name!r} is taken by {_spelled(known.convert)}. Choose another name.")
        _converters[name] = Converter(name, detect, convert)
        plugins.note(convert.__module__, lambda: _converters.pop(name, None))
        return convert

    return add


def converters(wanted: Collection[str] = ()) -> list[Converter]:
    """Every registered converter, or those of the plug-ins named in `wanted`, sorted by name."""
    packages = {plugin.package for plugin in plugins.load_all() if plugin.name in wanted}
    found = [known for _, known in sorted(_converters.items())]
    return [known for known in found if known.package in packages] if wanted else found


def find_converter(state: State, source: str, wanted: Collection[str] = ()) -> Converter:
    """The converter that recognises a state dict.

    Args:
        state: the released weights.
        source: what to call them in messages.
        wanted: the config's plug-ins; where it names some, only theirs are asked.

    Raises:
        CheckpointError: if not exactly one does.
    """
    asked = converters(wanted)
    found = [known for known in asked if known.detect(state)]
    if len(found) == 1:
        return found[0]
    names = ", ".join(known.name for known in found or asked) or "none"
    why = "several converters recognise these weights" if found else "no converter recognises these weights"
    raise CheckpointError(
        f"{source}: {why} ({'' if found else 'tried: '}{names}). The config's `plugins` says which are tried; the "
        f"weights begin with: {', '.join(list(state)[:5])}"
    )


def _spelled(function: Callable[..., Any]) -> str:
    return f"{function.__module__}.{function.__qualname__}"
