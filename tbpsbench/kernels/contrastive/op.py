"""The operator behind the losses: forward and backward pass as torch sees them, and which back end runs them.

Eager calls go through an autograd function: a custom operator costs twice as much, as long as a few launches.
torch.compile sees one opaque operator each; what runs is chosen when it runs, by device and dtype.

Shapes: N pairs, D width.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch import Tensor

from ..differentiation import first_derivatives
from ..dispatch import Backend, chosen
from .checking import self_check
from .form import SAVED, Form, Kind
from .tiles import identities
from .torch import gradient as torch_gradient
from .torch import statistics as torch_statistics

Four = tuple[Tensor, Tensor, Tensor, Tensor]


def contrast(
    anchor_ND: Tensor,
    positive_ND: Tensor,
    label_N: Tensor,
    form: Form,
    scale: Tensor | None = None,
    alpha: Tensor | None = None,
    backend: Backend | None = None,
) -> Tensor:
    """Losses (N,), float32 or float64; first derivatives by both sides, and by `scale` where `form.slopes`.

    Args:
        label_N: integers; pairs with equal ones belong together.
        scale: () or (2, N) (of rows and of columns), multiplies the cosines beside `form.factor`.
        alpha: (), share of the softmax in the targets of `entropy`.
        backend: what runs it; None chooses.
    """
    if not torch.compiler.is_compiling():
        found = which(anchor_ND, form.kind, backend)
        return Contrast.apply(anchor_ND, positive_ND, label_N, scale, alpha, form, found)  # type: ignore[no-any-return]
    numbers = [form.factor, form.row, form.column, form.eps, float(form.root), form.margin, float(form.distinct)]
    value_N, _, _, _ = _forward(
        anchor_ND, positive_ND, label_N, scale, alpha, form.kind, numbers, form.moments, form.slopes, backend or ""
    )
    return value_N


def which(like: Tensor, kind: Kind, backend: str | None = None) -> Backend:
    """What runs a kind for tensors like `like`: the back end that is named, or that the dispatch chooses."""
    return backend or chosen(f"contrastive {kind}", like, partial(self_check, kind))  # type: ignore[return-value]


class Contrast(torch.autograd.Function):
    """The losses in an eager call."""

    @staticmethod
    def forward(
        ctx: Any,
        anchor: Tensor,
        positive: Tensor,
        label: Tensor,
        scale: Tensor | None,
        alpha: Tensor | None,
        form: Form,
        backend: Backend,
    ) -> Tensor:
        value, *kept = _statistics(anchor, positive, label, scale, alpha, form, backend)
        ctx.save_for_backward(anchor, positive, label, scale, *kept)
        ctx.form, ctx.backend = form, backend
        return value

    @staticmethod
    @first_derivatives
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        anchor, positive, label, scale, saved, slope, identity = ctx.saved_tensors
        sides: list[Tensor | None] = [None, None]
        needed = (ctx.needs_input_grad[0], ctx.needs_input_grad[1])
        if any(needed):
            given = (grads[0], anchor, positive, label, scale, saved, identity, ctx.form, needed)
            sides = [one if need else None for one, need in zip(_gradient(*given, ctx.backend), needed, strict=True)]
        by_scale = _by_scale(grads[0], scale, slope, ctx.form) if ctx.needs_input_grad[3] else None
        return *sides, None, by_scale, None, None, None


def _statistics(
    anchor: Tensor,
    positive: Tensor,
    label: Tensor,
    scale: Tensor | None,
    alpha: Tensor | None,
    form: Form,
    backend: Backend,
) -> Four:
    """Losses (N,), what is kept of rows (2, S, N), slopes (2, N), identities (N,) or (0,) (zeros in plain torch)."""
    if backend == "triton":
        from .triton import statistics

        return statistics(anchor, positive, label, scale, alpha, form)
    value, saved, slope = torch_statistics(anchor, positive, label, scale, alpha, form)
    return value, saved, slope, value.new_zeros(identities(len(anchor), anchor.dtype))


def _gradient(
    grad: Tensor,
    anchor: Tensor,
    positive: Tensor,
    label: Tensor,
    scale: Tensor | None,
    saved: Tensor,
    identity: Tensor,
    form: Form,
    needed: tuple[bool, bool],
    backend: Backend,
) -> tuple[Tensor, Tensor]:
    """Gradients of both sides; (0,) for one that is not needed."""
    if backend == "triton":
        from .triton import gradient

        return gradient(grad, anchor, positive, label, scale, saved, identity, form, needed)
    return torch_gradient(grad, anchor, positive, label, scale, saved, form, needed)


def _by_scale(grad: Tensor, scale: Tensor, slope: Tensor, form: Form) -> Tensor:
    found = torch.stack([form.row * slope[0], form.column * slope[1]]) * grad
    return (found if scale.dim() == 2 else found.sum().reshape(scale.shape)).to(scale.dtype)


def _form(kind: str, numbers: list[float], moments: bool, slopes: bool) -> Form:
    factor, row, column, eps, root, margin, distinct = numbers
    named: Kind = kind  # type: ignore[assignment]
    return Form(named, factor, row, column, moments, slopes, eps, bool(root), margin, bool(distinct))


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
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    form = _form(kind, numbers, moments, slopes)
    return _statistics(anchor, positive, label, scale, alpha, form, which(anchor, form.kind, backend))


@_forward.register_fake
def _(anchor: Tensor, *_: Any) -> Four:
    rows, dtype = len(anchor), torch.promote_types(anchor.dtype, torch.float32)
    shapes = ((rows,), (2, SAVED, rows), (2, rows), (identities(rows, anchor.dtype),))
    value, saved, slope, identity = (anchor.new_empty(shape, dtype=dtype) for shape in shapes)
    return value, saved, slope, identity


@torch.library.custom_op("tbpsbench::contrastive_backward", mutates_args=())
def _backward(
    grad: Tensor,
    anchor: Tensor,
    positive: Tensor,
    label: Tensor,
    scale: Tensor | None,
    saved: Tensor,
    identity: Tensor,
    kind: str,
    numbers: list[float],
    needed: list[bool],
    backend: str,
) -> tuple[Tensor, Tensor]:
    form, both = _form(kind, numbers, False, False), (needed[0], needed[1])
    found = which(anchor, form.kind, backend)
    return _gradient(grad, anchor, positive, label, scale, saved, identity, form, both, found)


@_backward.register_fake
def _(grad: Tensor, anchor: Tensor, positive: Tensor, *rest: Any) -> tuple[Tensor, Tensor]:  # noqa: ARG001
    needed = rest[-2]
    first, second = (
        side.new_empty(side.shape if need else (0,)) for side, need in zip((anchor, positive), needed, strict=True)
    )
    return first, second


def _remember(ctx: Any, inputs: tuple[Any, ...], output: Four) -> None:
    anchor, positive, label, scale, _, ctx.kind, ctx.numbers, _, ctx.slopes, ctx.backend = inputs
    ctx.save_for_backward(anchor, positive, label, scale, *output[1:])
    ctx.mark_non_differentiable(*output[1:])


def _differentiate(ctx: Any, grad: Tensor, *_: Any) -> tuple[Tensor | None, ...]:
    anchor, positive, label, scale, saved, slope, identity = ctx.saved_tensors
    needed = [bool(need) for need in ctx.needs_input_grad[:2]]
    sides: list[Tensor | None] = [None, None]
    if any(needed):
        given = (grad, anchor, positive, label, scale, saved, identity, ctx.kind, ctx.numbers, needed, ctx.backend)
        sides = [one if need else None for one, need in zip(_backward(*given), needed, strict=True)]
    form, wanted = _form(ctx.kind, ctx.numbers, False, ctx.slopes), scale is not None and ctx.needs_input_grad[3]
    by_scale = _by_scale(grad, scale, slope, form) if wanted else None
    return sides[0], sides[1], None, by_scale, None, None, None, None, None, None


_forward.register_autograd(_differentiate, setup_context=_remember)
