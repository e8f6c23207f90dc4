"""A run of captions in several processes: the command of each, and its part of the budget."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence

from tbpsbench.errors import ConfigError
from tbpsbench.mllm.meter import Meter

# `tbpsbench caption ...` where the console script may not be on the path.
TOOL = ("-c", "from tbpsbench.cli import main; main()", "caption")


def commands(
    config: str, options: Sequence[str], budget: Mapping[str, float | None] | None, count: int, more: Sequence[str] = ()
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
        if bound is None:
            continue
        part = bound / count if key == "usd" else int(bound) // count
        if not part:
            raise ConfigError(f"budget.{key}: {bound:g} is less than one for each of {count} workers")
        own.append(f"budget.{key}={part}")
    overrides = ["--cfg-options", *options, *own] if options or own else []
    return [
        [sys.executable, *TOOL, config, "--shard", f"{number + 1}/{count}", *more, *overrides]
        for number in range(count)
    ]


def left_of(budget: Mapping[str, float | None] | None, meter: Meter) -> dict[str, float | None]:
    """What is left of a budget after what a meter has counted; never less than nothing."""
    spent = {"calls": meter.calls, "tokens": meter.prompt_tokens + meter.completion_tokens, "usd": meter.usd}
    return {key: bound if bound is None else max(0, bound - spent[key]) for key, bound in (budget or {}).items()}


def worst(codes: Sequence[int]) -> int:
    """One exit code for several: a worker's own, 1 where one was killed, else 0."""
    return next((code if code > 0 else 1 for code in codes if code), 0)
