"""Where a number was made: versions, machine, code. Written into run cards and records."""

from __future__ import annotations

import platform
import subprocess
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

import torch

import tbpsbench
from tbpsbench import plugins

PACKAGES = ("torch", "torchvision", "mmengine", "mmpretrain", "open_clip_torch", "transformers", "numpy", "pillow")


def environment() -> dict[str, Any]:
    """Versions of what computes, and the machine."""
    versions = {}
    for name in PACKAGES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            versions[name] = "absent"
    return {
        "python": platform.python_version(),
        "tbpsbench": tbpsbench.__version__,
        "packages": versions,
        "platform": platform.platform(),
        "device": device_name(),
        "cuda": torch.version.cuda if torch.cuda.is_available() else None,
        "threads": torch.get_num_threads(),
        "cpu": torch.backends.cpu.get_cpu_capability(),
    }


def device_name() -> str:
    """The accelerator's name, or the processor's."""
    if torch.cuda.is_available():
        return torch.cuda.get_device_name()
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


@cache
def code_version() -> dict[str, Any]:
    """Commit of this checkout and whether it was changed since; None outside a checkout.

    Looked up once: a checkout that is updated while a run trains does not change the code that runs. `build_run` asks
    first.
    """
    folder = Path(tbpsbench.__file__).parent
    try:
        commit = _git(folder, "rev-parse", "HEAD")
        return {
            "commit": commit,
            "dirty": bool(_git(folder, "status", "--porcelain", "--", ":/tbpsbench", ":/plugins")),
        }
    except (OSError, subprocess.CalledProcessError):
        return {"commit": None, "dirty": None}


def _git(folder: Path, *arguments: str) -> str:
    return subprocess.run(
        ["git", "-C", str(folder), *arguments], capture_output=True, text=True, check=True, timeout=20
    ).stdout.strip()


def plugin_provenance(used: set[tuple[str, str]]) -> list[dict[str, Any]]:
    """Every loaded plug-in with what it registered and whether this config used any of it.

    Args:
        used: (slot, name) of every component of the config.
    """
    return [
        {
            "name": plugin.name,
            "target": plugin.target,
            "distribution": plugin.distribution,
            "version": plugin.version,
            "error": plugin.error,
            "used": any(item in used for item in plugin.registered),
        }
        for plugin in plugins.load_all()
    ]
