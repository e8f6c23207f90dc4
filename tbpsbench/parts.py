"""What is installed, on which machine, and which optional parts are missing: what tools/doctor.py prints.

Required and optional packages are read from this package's own metadata (setup.cfg), so nothing is listed twice.
"""

from __future__ import annotations

import importlib
import os
import platform
import shutil
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, requires, version
from typing import TYPE_CHECKING, Any

from packaging.requirements import Requirement

from tbpsbench import __version__
from tbpsbench.errors import ConfigError

if TYPE_CHECKING:
    import torch
    from torch import nn

# What an extra is for; one that is not listed is shown by its packages alone.
USES = {
    "mamba": "fused selective scan of the Mamba fuser on a GPU",
    "bench": "benchmarks against other packages",
    "mllm": "multimodal language models over HTTP",
    "sentence": "all-MiniLM-L6-v2: a published text tower, and embeddings of captions",
    "turbovec": "index turbovec: compressed scan with exact re-ranking",
    "faiss": "indexes faiss-hnsw and faiss-ivfpq",
    "qdrant": "index qdrant: a gallery on a server",
    "onnx": "export to ONNX, and running what was exported",
    "app": "the page of tools/chat.py",
    "cluster": "launchers for several machines",
    "dev": "tests and checks of this repository",
}
NOT_SHOWN = ("all",)


@dataclass(frozen=True)
class Part:
    """A package.

    Attributes:
        name: on the package index.
        wanted: the versions that are wanted, e.g. ">=2.0"; "" for any.
        found: the version that is there; None if it is not.
    """

    name: str
    wanted: str
    found: str | None

    @property
    def sound(self) -> bool:
        """Whether it is there in a version that is wanted."""
        return self.found is not None and Requirement(f"{self.name}{self.wanted}").specifier.contains(
            self.found, prereleases=True
        )


@dataclass(frozen=True)
class Extra:
    """An optional part of this package.

    Attributes:
        name: as in `tbpsbench[name]`.
        parts: its packages.
    """

    name: str
    parts: tuple[Part, ...]

    @property
    def sound(self) -> bool:
        """Whether all of it is there."""
        return all(part.sound for part in self.parts)

    @property
    def command(self) -> str:
        """What adds it."""
        return f"pip install 'tbpsbench[{self.name}]'"


def required() -> list[Part]:
    """The packages without which nothing works."""
    return [_part(told) for told in _requirements() if told.marker is None or told.marker.evaluate({"extra": ""})]


def extras() -> list[Extra]:
    """The optional parts."""
    found: dict[str, list[Part]] = {}
    for told in _requirements():
        name = _extra(told)
        if name and name not in NOT_SHOWN:
            found.setdefault(name, []).append(_part(told))
    return [Extra(name, tuple(parts)) for name, parts in found.items()]


def require(module: str, extra: str, what: str) -> Any:
    """Import a package of an extra.

    Raises:
        ConfigError: if it is not installed, or cannot be imported; names the command.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise ConfigError(
            f"{what} needs the package {module.partition('.')[0]} ({error}). "
            f"Install it: pip install 'tbpsbench[{extra}]'"
        ) from error


def machine() -> list[tuple[str, str]]:
    """What this machine is: (what, how much of it)."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    return [
        ("tbpsbench", __version__),
        ("Python", f"{platform.python_version()} ({platform.system()} {platform.machine()})"),
        ("processor", f"{os.cpu_count()} cores, {memory:.0f} GB of memory"),
        ("disk", f"{shutil.disk_usage('.').free / 1e9:.0f} GB free in this folder"),
    ]


def move_to(model: nn.Module, device: str | torch.device | None) -> None:
    """Let a model compute on a device; None for the GPU where there is one.

    Raises:
        ConfigError: if there is no such device.
    """
    import torch

    place = device or ("cuda" if torch.cuda.is_available() else "cpu")
    try:
        torch.zeros(1, device=place)
    except (RuntimeError, AssertionError) as error:  # what torch says to a name that is none, too
        reason = str(error).strip().partition("\n")[0].partition(". ")[0].rstrip(".")
        there = ", ".join(name for name, _ in devices())
        raise ConfigError(f"device {str(place)!r} cannot be used here: {reason}. There are: {there}.") from error
    model.to(place)


def devices() -> list[tuple[str, str]]:
    """Where models can compute: (device, what it is)."""
    import torch

    found = []
    for place in range(torch.cuda.device_count()):
        told = torch.cuda.get_device_properties(place)
        kernels = "fused kernels" if (told.major, told.minor) >= (8, 0) else "plain kernels: older than capability 8.0"
        found.append((f"cuda:{place}", f"{told.name}, {told.total_memory / 1e9:.0f} GB, {kernels}"))
    told_cpu = f"{torch.get_num_threads()} threads, {torch.backends.cpu.get_cpu_capability()}"
    why = (
        "" if found else "; no GPU: " + ("this torch has no CUDA" if torch.version.cuda is None else "none is visible")
    )
    return [*found, ("cpu", told_cpu + why)]


def _requirements() -> list[Requirement]:
    try:
        return [Requirement(line) for line in requires("tbpsbench") or []]
    except PackageNotFoundError:  # a folder that was never installed
        return []


def _extra(told: Requirement) -> str:
    """The extra that a requirement belongs to; "" if to none."""
    if told.marker is None or told.marker.evaluate({"extra": ""}):
        return ""
    return str(told.marker).partition("extra == ")[2].strip("\"' )")


def _part(told: Requirement) -> Part:
    try:
        return Part(told.name, str(told.specifier), version(told.name))
    except PackageNotFoundError:
        return Part(told.name, str(told.specifier), None)
