"""A model out of training for as long as something is computed with it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Every part of `model` in evaluation mode; afterwards each part's own mode again, also after an error.

    A model that is in evaluation mode already is left alone: setting the mode of every part anew takes longer than a
    small text tower needs for a query.
    """
    if not any(part.training for part in model.modules()):
        yield
        return
    before = {part: part.training for part in model.modules()}
    model.eval()
    try:
        yield
    finally:
        model.train(before[model])
        for part, training in before.items():  # some may be frozen while the rest learns
            part.training = training
