"""tbpsbench: a plug-in toolkit and leaderboard for text-based person search. Importing it imports nothing heavy."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tbpsbench.system import System, load_system

__version__ = "0.1.0"
__all__ = ["System", "__version__", "load_system"]


def __getattr__(name: str) -> Any:
    """`tbpsbench.load_system` and `tbpsbench.System`, imported when they are asked for."""
    if name in ("System", "load_system"):
        return getattr(import_module("tbpsbench.system"), name)
    raise AttributeError(f"module 'tbpsbench' has no attribute {name!r}")
