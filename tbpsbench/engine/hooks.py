"""Hook points for methods that need more than a loss; model code gets no reference to the runner.

A hook sees a `RunState` and may change what it names: the weights of training pairs (RDE's consensus division), the
model's modules, the log.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tbpsbench.data.training import TrainingData
    from tbpsbench.model.base import SearchModel


@dataclass
class RunState:
    """What a hook may see.

    Attributes:
        model: the model, without any DDP wrapper.
        data: what the run trains on: `data.loader` makes the training batches of the epoch that `data.set_epoch` names,
            `data.train.set_pair_weight` sets the weights that they carry.
        epoch: 0-based epoch that is running or about to run; in `before_eval` the number of epochs done.
        step: optimiser steps done so far in the whole run; with `runtime.accumulate` fewer than batches.
        max_epochs: epochs of the whole run.
        seed: of the run; draw from (seed, epoch), see data/randomness.py, and a resumed run draws alike.
        autocast: `with state.autocast():` runs the model in the precision that it is trained in.
        log: scalars that the hook wants in the log.
    """

    model: SearchModel
    data: TrainingData
    epoch: int
    step: int
    max_epochs: int
    seed: int = 0
    autocast: Callable[[], AbstractContextManager[None]] = nullcontext
    log: dict[str, float] = field(default_factory=dict)


class Hook:
    """Base of the slot HOOKS; override the points that are needed.

    A hook that remembers something between epochs returns it from `state_dict`, so that a resumed run equals an
    uninterrupted one: a dict of tensors, numbers, texts, and lists and dicts of these. Anything else is refused before
    the first step, and by every save (engine/kept.py).
    """

    def before_epoch(self, state: RunState) -> None:
        """Before the first batch of an epoch."""

    def after_step(self, state: RunState) -> None:
        """After every optimiser step; batches that only add to the gradient are not steps."""

    def before_eval(self, state: RunState) -> None:
        """Before the model is validated and its checkpoint saved; without validation, after the last epoch."""

    def state_dict(self) -> dict[str, Any]:
        """What must survive a restart: tensors and plain data."""
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take back what `state_dict` returned."""
