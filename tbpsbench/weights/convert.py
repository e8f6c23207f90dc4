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
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import Tensor

from tbpsbench import plugins
from tbpsbench.errors import CheckpointError, RegistryError

if TYPE_CHECKING:
    from tbpsbench.config.load import Config
    from tbpsbench.model.person_search import PersonSearchModel
    from tbpsbench.weights.load import LoadReport

State = Mapping[str, Tensor]
Convert = Callable[[State, "PersonSearchModel"], dict[str, Tensor]]
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
        return convert

    return add


def converters(wanted: Collection[str] = ()) -> list[Converter]:
    """Every registered converter, or those of the plug-ins named in `wanted`, sorted by name."""
    packages = {p.target.partition(":")[0].split(".")[0] for p in plugins.load_all() if p.name in wanted}
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


def convert_checkpoint(config: Config, released: str | Path, out: str | Path, *, partial: bool = False) -> LoadReport:
    """Turn a released checkpoint into one of ours: convert, load into the config's model, write the model.

    Args:
        config: a checked config of the system; its `pretrained` weights are not read.
        released: the released file.
        out: the checkpoint to write; whole or absent.
        partial: write it even if some keys do not fit: a classifier of another data set, say.

    Returns:
        What became of every key.

    Raises:
        CheckpointError: if no converter recognises the file, or keys are left over or missing, unless `partial`.
        DataError: if the model's sizes come from data that are not there.
    """
    from tbpsbench.config.flat import canonical
    from tbpsbench.config.schema import with_defaults
    from tbpsbench.engine.checkpoint import save
    from tbpsbench.files import sha256_file
    from tbpsbench.weights.load import load_into, read_state_dict, weight_file

    values = with_defaults(config.values)
    released = weight_file(released)
    state = read_state_dict(released)
    chosen = find_converter(state, str(released), values["plugins"])
    model = _build(values)
    report = load_into(model, chosen.convert(state, model), source=str(released), partial=partial)
    made_from = {"converter": chosen.name, "file": released.name, "sha256": sha256_file(released)}
    content = {
        "meta": {"epoch": 0, "iter": 0, "seed": values["seed"]},
        "state_dict": model.state_dict(),
        "tbpsbench": {"config": canonical(values), "converted": made_from},
    }
    save(content, Path(out))
    return report


def _build(values: Mapping[str, Any]) -> PersonSearchModel:
    """The config's model on the CPU, without its pretrained weights; data are read only where it asks for sizes."""
    from tbpsbench.config.resolve import fill_from_data
    from tbpsbench.data.build import build_data
    from tbpsbench.model.person_search import PersonSearchModel

    section = dict(values["model"])
    for tower in ("image_encoder", "text_encoder"):
        if "pretrained" in section[tower]:
            section[tower] = {**section[tower], "pretrained": None}
    if "from_data:" not in repr(section) and not values["data"]["descriptions"]:
        return PersonSearchModel(**section)
    data = build_data(values["data"], values["evaluation"], values["seed"])
    return PersonSearchModel(**fill_from_data(section, data.facts, "model"), roles=data.roles)


def _spelled(function: Callable[..., Any]) -> str:
    return f"{function.__module__}.{function.__qualname__}"
