"""Where a number was made: versions, machine, code. Written into run cards and records."""

from __future__ import annotations

import os
import platform
import subprocess
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

import torch

import tbpsbench
from tbpsbench import plugins

PLUGINS, GIT_SECONDS = "plugins", 20
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
    return version_of(Path(tbpsbench.__file__))


def version_of(file: Path) -> dict[str, Any]:
    """Commit of the repository that keeps a package, and whether the package or its plug-ins were changed since.

    Args:
        file: the package's `__init__.py`. A repository that does not track it, such as one that an installed package's
            environment happens to lie in, says nothing about it.

    Returns:
        `commit` and `dirty`; None for what git does not tell, or not in time.
    """
    folder = file.parent
    if _git(folder, "ls-files", "--error-unmatch", "--", file.name) is None:
        return {"commit": None, "dirty": None}
    beside = folder.parent / PLUGINS
    parts = [".", *[f"../{PLUGINS}"] * (beside.is_dir() and bool(_git(folder, "rev-parse", "--show-prefix")))]
    commit, changed = _git(folder, "rev-parse", "HEAD"), _git(folder, "status", "--porcelain", "--", *parts)
    return {"commit": commit or None, "dirty": None if not commit or changed is None else bool(changed)}


def _git(folder: Path, *arguments: str) -> str | None:
    """What git prints; None if it fails, is not there, or takes too long."""
    # A hook or another tool may have pointed git at its own repository.
    own = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
    command = ["git", "-C", str(folder), *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=GIT_SECONDS, env=own)
    except (OSError, subprocess.SubprocessError, UnicodeDecodeError):
        return None
    return done.stdout.strip()


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
