"""A run of captions in several processes: the command of each, and its part of the budget."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence

from tbpsbench.errors import ConfigError
from tbpsbench.mllm.meter import Spent

# `tbpsbench caption ...` where the console script may not be on the path.
TOOL = ("-c", "from tbpsbench.cli import main; main()", "caption")


def commands(
    config: str, options: Sequence[str], budget: Mapping[str, float | None] | None, count: int,
    more: Sequence[str] = (), spent: Callable[[int], Spent] = lambda _: Spent(),
) -> list[list[str]]:  # fmt: skip
    """What each of `count` processes runs: its share of the images, with its share of the budget.

    Args:
        config: the config's file.
        options: its overrides.
        budget: what is left for all processes together.
        count: of processes.
        more: arguments for each.
        spent: what the processes of a share have spent so far, which counts against the share's budget.

    Raises:
        ConfigError: if the budget is too small to be shared.
    """
    parts: dict[str, float] = {}
    for key, bound in (budget or {}).items():
        if bound is None:
            continue
        parts[key] = bound / count if key == "usd" else int(bound) // count
        if not parts[key]:
            raise ConfigError(f"budget.{key}: {bound:g} is less than one for each of {count} workers")
    lines = []
    for number in range(count):
        before = spent(number)
        own = [*options, *(f"budget.{key}={part + type(part)(getattr(before, key))}" for key, part in parts.items())]
        overrides = ["--cfg-options", *own] if own else []
        lines.append([sys.executable, *TOOL, config, "--shard", f"{number + 1}/{count}", *more, *overrides])
    return lines


def left_of(budget: Mapping[str, float | None] | None, spent: Spent) -> dict[str, float | None]:
    """What is left of a budget after what was spent; never less than nothing."""
    left = {key: None if bound is None else bound - getattr(spent, key) for key, bound in (budget or {}).items()}
    return {key: None if bound is None else max(0, bound) for key, bound in left.items()}


def worst(codes: Sequence[int]) -> int:
    """One exit code for several: a worker's own, 1 where one was killed, else 0."""
    return next((code if code > 0 else 1 for code in codes if code), 0)
