"""A resolved config as a file that can be read again."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from pprint import pformat
from typing import Any

from tbpsbench.files import atomic_write


def render(values: Mapping[str, Any], comment: str = "") -> str:
    """Text of a config file with these values and no `_base_`."""
    lines = [f'"""{comment}"""\n'] if comment else []
    return (
        "\n".join(
            [*lines, *(f"{key} = {pformat(value, width=116, sort_dicts=False)}" for key, value in values.items())]
        )
        + "\n"
    )


def write_config(path: Path, values: Mapping[str, Any], comment: str = "") -> None:
    """Write a config file atomically."""
    with atomic_write(path, "w") as stream:
        stream.write(render(values, comment))
