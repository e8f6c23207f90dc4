"""What a balancer promises: one scalar to optimise from several losses."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence

from torch import Tensor, nn

from tbpsbench.arguments import did_you_mean
from tbpsbench.types import LossOutput


class Balancer(nn.Module, ABC):
    """Base of the slot BALANCERS.

    It runs inside `PersonSearchModel.parse_losses`, the one place that every mmengine wrapper calls, with the autograd
    graph of the batch still alive. Task weights that it learns are buffers, updated by an optimiser of its own, so that
    they are saved, equal in all processes, and never touched by the network's optimiser.

    Context arguments: `names`, the names of the losses; `balanced`, those of them that are weighed against each other
    unless the config says otherwise (`Loss.balanced`).
    """

    def attach(self, model: nn.Module) -> None:
        """See the model once, when it is complete; for balancers that look at the gradients of one of its layers.

        Keep parameters, never the model: a balancer is a part of it.

        Raises:
            ConfigError: if the model lacks what the config names.
        """

    @abstractmethod
    def forward(self, losses: Mapping[str, LossOutput]) -> tuple[Tensor, dict[str, Tensor]]:
        """The scalar that is optimised, and scalars for the log by the names they get there (`weight_NAME`, ...)."""


def fixed_weights(
    names: Sequence[str], weights: Mapping[str, float] | None, learnt: Sequence[str] = ()
) -> dict[str, float]:
    """A constant weight for each name that has no learnt one, 1 where none is given.

    Raises:
        ValueError: if a weight names no loss or is not finite.
    """
    for name, weight in (weights or {}).items():
        require_loss(name, names, f"a weight for {name!r}")
        if not math.isfinite(weight):
            raise ValueError(f"the weight of {name!r} must be a finite number, got {weight}")
    return {name: float((weights or {}).get(name, 1.0)) for name in names if name not in learnt}


def balanced_tasks(
    names: Sequence[str], balanced: Sequence[str], balance: Sequence[str] | None, weights: Mapping[str, float] | None
) -> tuple[str, ...]:
    """The losses whose weights are learnt: those of the config (`balance`) or else those that the model proposes.

    Raises:
        ValueError: if there are none, a name is no loss or stands twice, or a learnt weight is also given as constant.
    """
    tasks = tuple(balanced if balance is None else balance)
    for name in tasks:
        require_loss(name, names, f"balance names {name!r}")
    if not tasks or len(set(tasks)) < len(tasks):
        raise ValueError(f"balance needs at least one loss, each once; got {list(tasks)} of {', '.join(names)}")
    if both := [name for name in tasks if name in (weights or {})]:
        raise ValueError(
            f"the weight of {both[0]!r} is learnt and cannot be given too; take it out of weights, or list in balance "
            f"the losses to be balanced without it"
        )
    return tasks


def require_loss(name: str, names: Sequence[str], what: str) -> None:
    """Refuse a name that no loss has.

    Raises:
        ValueError: naming the losses there are.
    """
    if name not in names:
        raise ValueError(f"{what}, but the losses are {', '.join(names)}.{did_you_mean(name, names)}")
