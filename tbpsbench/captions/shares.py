"""A run of captions in several processes: the command of each, and its part of the budget."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence

from tbpsbench.errors import ConfigError

# `tbpsbench caption ...` where the console script may not be on the path.
TOOL = ("-c", "from tbpsbench.cli import main; main()", "caption")


def commands(
    config: str, options: Sequence[str], budget: Mapping[str, float] | None, count: int, more: Sequence[str] = ()
) -> list[list[str]]:
    """What each of `count` processes runs: its share of the images, with its share of the budget.

    Args:
        config: the config's file.
        options: its overrides.
        budget: of all processes together.
        count: of processes.
        more: arguments for each.

    Raises:
        ConfigError: if the budget is too small to be shared.
    """
    own = []
    for key, bound in (budget or {}).items():
        part = bound / count if key == "usd" else int(bound) // count
        if bound and not part:
            raise ConfigError(f"budget.{key}: {bound} is less than one for each of {count} workers")
        own.append(f"budget.{key}={part}")
    overrides = ["--cfg-options", *options, *own] if options or own else []
    return [
        [sys.executable, *TOOL, config, "--shard", f"{number + 1}/{count}", *more, *overrides]
        for number in range(count)
    ]
