"""Randomness that survives a restart: every epoch starts from (seed, epoch, rank), whatever came before.

Samples draw their own (data/randomness.py), keyed by (seed, epoch, index). What is left, dropout for one, follows
torch's global generators, which are set anew at the start of every epoch; so a run that is killed and resumed at an
epoch equals one that never stopped, and nothing has to be saved.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch


def seed_epoch(seed: int, epoch: int, rank: int = 0) -> None:
    """Set the generators of random, numpy and torch (all devices) for one epoch.

    Args:
        seed: the run's seed, 0 .. 2**32 - 1.
        epoch: 0-based; -1 is the time before the first epoch (building the model).
        rank: process; at epoch -1 all processes draw alike, so that they start from equal weights.
    """
    words = np.random.SeedSequence([seed, epoch + 1, rank if epoch >= 0 else 0]).generate_state(3)
    random.seed(int(words[0]))
    np.random.seed(int(words[1]))
    torch.manual_seed(int(words[2]))


@contextmanager
def algorithms_kept() -> Iterator[None]:
    """Leave torch's choice of algorithms as it was: `make_deterministic` is the run's, not the caller's."""
    enabled, warn_only = (
        torch.are_deterministic_algorithms_enabled(),
        torch.is_deterministic_algorithms_warn_only_enabled(),
    )
    benchmark, fill = torch.backends.cudnn.benchmark, torch.utils.deterministic.fill_uninitialized_memory
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(enabled, warn_only=warn_only)
        torch.backends.cudnn.benchmark = benchmark
        torch.utils.deterministic.fill_uninitialized_memory = fill  # type: ignore[attr-defined]


def make_deterministic(enabled: bool) -> None:
    """Make torch choose algorithms that give equal bits in equal runs, and warn where there is none."""
    torch.use_deterministic_algorithms(enabled, warn_only=True)
    torch.backends.cudnn.benchmark = not enabled
    # torch would fill every new tensor first, to make reading unwritten memory repeatable; we read none.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
