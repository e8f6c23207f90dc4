"""Configs and tools that come with the package: beside it in a checkout, inside it where a wheel was installed.

A packaged config is named `tbpsbench::mini/two-tower_mini-pedes.py`, on a command line and in `_base_`, from any
folder.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from tbpsbench.reading import given_path

PREFIX = "tbpsbench::"
INSIDE = "bundle_files"  # folder of the package that a wheel has and a checkout has not


def folder(kind: Literal["configs", "tools"]) -> Path:
    """Where the packaged configs or tools lie."""
    package = Path(__file__).parent
    inside = package / INSIDE / kind
    return inside if inside.is_dir() else package.parent / kind


def configs() -> list[str]:
    """Names of all packaged configs that can be run, and of the suites, without the prefix; sorted."""
    root = folder("configs")
    found = (path.relative_to(root) for path in root.rglob("*.py"))
    return sorted(path.as_posix() for path in found if not path.parts[0].startswith("_"))


def packaged(name: str) -> Path | None:
    """The file of a packaged config: `tbpsbench::NAME`, or a path `configs/NAME` that is not there; None otherwise."""
    if name.startswith(PREFIX):
        return folder("configs") / name.removeprefix(PREFIX)
    parts = Path(name).parts
    if parts[:1] == ("configs",) and not Path(name).exists():
        path = folder("configs").joinpath(*parts[1:])
        return path if path.is_file() else None
    return None


def locate(name: str | Path) -> Path:
    """The config file that a user means: a path, or the name of a packaged config."""
    return packaged(str(name)) or given_path(name)
