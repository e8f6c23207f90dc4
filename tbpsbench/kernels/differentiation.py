"""Backward passes that are written out have no derivatives of their own, and say so."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

import torch
from torch import Tensor

from .precision import outside_autocast

Backward = Callable[..., Any]


def first_derivatives(backward: Backward) -> Backward:
    """For the `backward` of an autograd function: run it outside autocast, and refuse second derivatives.

    torch's `once_differentiable` refuses only where the gradient that arrives is itself part of a graph. Behind a sum
    or a mean it is not, and the function's share of a second derivative would be left out in silence.

    Raises:
        RuntimeError: not here, but where the gradient that it returned is differentiated.
    """

    @wraps(backward)
    def refusing(ctx: Any, *grads: Tensor) -> Any:
        with torch.no_grad(), outside_autocast(grads[0]):
            found = backward(ctx, *grads)
        if not torch.is_grad_enabled():
            return found
        if isinstance(found, Tensor):
            return _final(found)
        return tuple(None if one is None else _final(one) for one in found)

    return refusing


def _final(gradient: Tensor) -> Tensor:
    return _Final.apply(gradient.detach().requires_grad_())  # type: ignore[no-any-return]


class _Final(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, gradient: Tensor) -> Tensor:  # noqa: ARG004
        return gradient.view_as(gradient)

    @staticmethod
    def backward(ctx: Any, *_: Any) -> Tensor:  # noqa: ARG004
        raise RuntimeError(
            "this function has first derivatives alone: its gradient was differentiated once more (create_graph=True, "
            "as a gradient penalty does). The definitions, in the module `naive` of each kernel, have all derivatives"
        )
