"""Optional packages: imported where they are used, and named with the command that installs them where they are not."""

from __future__ import annotations

import importlib
from typing import Any

from tbpsbench.errors import ConfigError


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
