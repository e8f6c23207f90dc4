"""The precision that sums over a batch are made in: at least float32, whatever autocast would make of them."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import wraps
from typing import ParamSpec, TypeVar

import torch
from torch import Tensor

P = ParamSpec("P")
R = TypeVar("R")


def at_least_float32(x: Tensor) -> Tensor:
    """Half precision becomes float32, which long sums and small differences need; float64 stays (gradient checks)."""
    return x if x.dtype == torch.float64 else x.float()


def alike(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Two tensors of different types in the one that holds both."""
    if x.dtype == y.dtype:
        return x, y
    dtype = torch.promote_types(x.dtype, y.dtype)
    return x.to(dtype), y.to(dtype)


def outside_autocast(like: Tensor) -> AbstractContextManager[object]:
    """Where products of tensors like this one keep their precision."""
    kind = like.device.type
    return torch.autocast(kind, enabled=False) if torch.is_autocast_enabled(kind) else nullcontext()


def in_own_precision(function: Callable[P, R]) -> Callable[P, R]:
    """Run a function outside autocast, which would make its products, or parts of them, in half precision.

    Its first argument is a tensor.
    """

    @wraps(function)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        like = args[0] if args else next(iter(kwargs.values()))
        with outside_autocast(like):  # type: ignore[arg-type]
            return function(*args, **kwargs)

    return run
