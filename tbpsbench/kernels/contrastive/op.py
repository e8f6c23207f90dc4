"""The operator behind the losses: forward and backward pass as torch sees them, and which back end runs them.

torch.compile sees one opaque operator each; what runs is chosen when it runs, by device and dtype.

Shapes: N pairs, D width.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch import Tensor

from ..dispatch import Backend, chosen
from .checking import self_check
from .form import SAVED, Form, Kind
from .torch import gradient as torch_gradient
from .torch import statistics as torch_statistics


def contrast(
    anchor_ND: Tensor,
    positive_ND: Tensor,
    label_N: Tensor,
    form: Form,
    scale: Tensor | None = None,
    alpha: Tensor | None = None,
    backend: Backend | None = None,
) -> Tensor:
    """Losses (N,), float32 or float64; differentiable in both sides and in `scale` where `form.slopes`.

    Args:
        label_N: integers; pairs with equal ones belong together.
        scale: () or (2, N) (of rows and of columns), multiplies the cosines beside `form.factor`.
        alpha: (), share of the softmax in the targets of `entropy`.
        backend: what runs it; None chooses.
    """
    numbers = [form.factor, form.row, form.column, form.eps, float(form.root), form.margin]
    value_N, _, _ = _forward(
        anchor_ND, positive_ND, label_N, scale, alpha, form.kind, numbers, form.moments, form.slopes, backend or ""
    )
    return value_N


def which(like: Tensor, kind: Kind, backend: str | None = None) -> Backend:
    """What runs a kind for tensors like `like`: the back end that is named, or that the dispatch chooses."""
    return backend or chosen(f"contrastive {kind}", like, partial(self_check, kind))  # type: ignore[return-value]


def _form(kind: str, numbers: list[float], moments: bool, slopes: bool) -> Form:
    factor, row, column, eps, root, margin = numbers
    named: Kind = kind  # type: ignore[assignment]
    return Form(named, factor, row, column, moments, slopes, eps, bool(root), margin)


@torch.library.custom_op("tbpsbench::contrastive", mutates_args=())
def _forward(
    anchor: Tensor,
    positive: Tensor,
    label: Tensor,
    scale: Tensor | None,
    alpha: Tensor | None,
    kind: str,
    numbers: list[float],
    moments: bool,
    slopes: bool,
    backend: str,
) -> tuple[Tensor, Tensor, Tensor]:
    form = _form(kind, numbers, moments, slopes)
    if which(anchor, form.kind, backend) == "triton":
        from .triton import statistics

        return statistics(anchor, positive, label, scale, alpha, form)
    return torch_statistics(anchor, positive, label, scale, alpha, form)


@_forward.register_fake
def _(anchor: Tensor, *_: Any) -> tuple[Tensor, Tensor, Tensor]:
    rows, dtype = len(anchor), torch.promote_types(anchor.dtype, torch.float32)
    shapes = ((rows,), (2, SAVED, rows), (2, rows))
    value, saved, slope = (anchor.new_empty(shape, dtype=dtype) for shape in shapes)
    return value, saved, slope


@torch.library.custom_op("tbpsbench::contrastive_backward", mutates_args=())
def _backward(
    grad: Tensor,
    anchor: Tensor,
    positive: Tensor,
    label: Tensor,
    scale: Tensor | None,
    saved: Tensor,
    kind: str,
    numbers: list[float],
    needed: list[bool],
    backend: str,
) -> tuple[Tensor, Tensor]:
    form, both = _form(kind, numbers, False, False), (needed[0], needed[1])
    if which(anchor, form.kind, backend) == "triton":
        from .triton import gradient

        return gradient(grad, anchor, positive, label, scale, saved, form, both)
    return torch_gradient(grad, anchor, positive, label, scale, saved, form, both)


@_backward.register_fake
def _(grad: Tensor, anchor: Tensor, positive: Tensor, *rest: Any) -> tuple[Tensor, Tensor]:  # noqa: ARG001
    needed = rest[-2]
    first, second = (
        side.new_empty(side.shape if need else (0,)) for side, need in zip((anchor, positive), needed, strict=True)
    )
    return first, second


def _remember(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor, Tensor]) -> None:
    anchor, positive, label, scale, _, ctx.kind, ctx.numbers, _, ctx.slopes, ctx.backend = inputs
    _, saved, slope = output
    ctx.save_for_backward(anchor, positive, label, scale, saved, slope)
    ctx.mark_non_differentiable(saved, slope)


def _differentiate(ctx: Any, grad: Tensor, *_: Any) -> tuple[Tensor | None, ...]:
    anchor, positive, label, scale, saved, slope = ctx.saved_tensors
    needed = [bool(need) for need in ctx.needs_input_grad[:2]]
    sides: list[Tensor | None] = [None, None]
    if any(needed):
        found = _backward(grad, anchor, positive, label, scale, saved, ctx.kind, ctx.numbers, needed, ctx.backend)
        sides = [one if need else None for one, need in zip(found, needed, strict=True)]
    scale_grad = None
    if scale is not None and ctx.needs_input_grad[3]:
        weight = slope.new_tensor([[ctx.numbers[1]], [ctx.numbers[2]]])
        scale_grad = weight * slope * grad
        scale_grad = (scale_grad if scale.dim() == 2 else scale_grad.sum().reshape(scale.shape)).to(scale.dtype)
    return sides[0], sides[1], None, scale_grad, None, None, None, None, None, None


_forward.register_autograd(_differentiate, setup_context=_remember)
