"""The batch-hard loss on its back ends, and as custom operators for torch.compile.

Eager calls go through an autograd function, which costs a fraction of what an operator costs. `torch.compile` sees the
operators, whose back end is chosen when they run.

Shapes: N rows, D width.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ..differentiation import first_derivatives
from ..dispatch import Backend, KernelError, chosen
from ..precision import at_least_float32
from . import naive
from . import torch as plain


def batch_hard(x_ND: Tensor, label_N: Tensor, margin: float, mean: bool) -> Tensor:
    """The mean cost, or the costs (N,); float32 or float64."""
    if len(x_ND) == 0:
        nothing_N = at_least_float32(x_ND).sum(1)
        return nothing_N.sum() if mean else nothing_N
    if torch.compiler.is_compiling():
        return triplet_batch_hard(x_ND, label_N, float(margin), mean)[0]  # type: ignore[no-any-return]
    if backend(x_ND) == "triton":
        return BatchHard.apply(x_ND, label_N, margin, mean)  # type: ignore[no-any-return]
    return plain.batch_hard(at_least_float32(x_ND), label_N, margin, mean)


def backend(like: Tensor) -> Backend:
    """What runs tensors like this one."""
    return chosen("triplet", like, _self_check)


class BatchHard(torch.autograd.Function):
    """The Triton form."""

    @staticmethod
    def forward(ctx: Any, x_ND: Tensor, label_N: Tensor, margin: float, mean: bool) -> Tensor:
        from . import triton_launch

        value, *saved = triton_launch.forward(x_ND, label_N, margin, mean)
        ctx.save_for_backward(x_ND, *saved)
        ctx.mean = mean
        return value

    @staticmethod
    @first_derivatives
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        from . import triton_launch

        x_ND, positive, negative, share = ctx.saved_tensors
        return triton_launch.backward(grads[0], x_ND, positive, negative, share, ctx.mean), None, None, None


@torch.library.custom_op(
    "tbpsbench::triplet_batch_hard",
    mutates_args=(),
    schema="(Tensor x, Tensor label, float margin, bool mean) -> (Tensor, Tensor, Tensor, Tensor)",
)
def triplet_batch_hard(x: Tensor, label: Tensor, margin: float, mean: bool) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """See `triton_launch.forward`."""
    if backend(x) == "triton":
        from . import triton_launch

        return triton_launch.forward(x, label, margin, mean)
    return plain.batch_hard_with_indices(at_least_float32(x), label, margin, mean)


@triplet_batch_hard.register_fake
def _(x: Tensor, label: Tensor, margin: float, mean: bool) -> tuple[Tensor, Tensor, Tensor, Tensor]:  # noqa: ARG001
    rows, exact = x.shape[0], at_least_float32(x).dtype
    value = x.new_empty(() if mean else (rows,), dtype=exact)
    indices = (x.new_empty(rows, dtype=torch.int32) for _ in range(2))
    return value, *indices, x.new_empty(int(mean), dtype=exact)


@torch.library.custom_op(
    "tbpsbench::triplet_batch_hard_backward",
    mutates_args=(),
    schema="(Tensor grad, Tensor x, Tensor positive, Tensor negative, Tensor share, bool mean) -> Tensor",
)
def triplet_batch_hard_backward(
    grad: Tensor, x: Tensor, positive: Tensor, negative: Tensor, share: Tensor, mean: bool
) -> Tensor:
    """See `triton_launch.backward`."""
    if backend(x) == "triton":
        from . import triton_launch

        return triton_launch.backward(grad, x, positive, negative, share, mean)
    return plain.gradient(grad * share if mean else grad, at_least_float32(x), positive, negative).to(x.dtype)


@triplet_batch_hard_backward.register_fake
def _(_: Tensor, x: Tensor, *__: Any) -> Tensor:
    return x.new_empty(x.shape)


def _setup(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
    ctx.mean = inputs[3]
    ctx.save_for_backward(inputs[0], *output[1:])
    ctx.set_materialize_grads(False)


def _backward(ctx: Any, grad: Tensor | None, *_: Tensor | None) -> tuple[Tensor | None, ...]:
    found = None if grad is None else triplet_batch_hard_backward(grad, *ctx.saved_tensors, ctx.mean)
    return found, None, None, None


triplet_batch_hard.register_autograd(_backward, setup_context=_setup)


def _self_check(device: torch.device, dtype: torch.dtype) -> None:
    """Costs and gradient of a small problem against the definition in float64.

    Raises:
        KernelError: if one of them is wrong.
    """
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(37, 40, generator=generator).to(dtype)
    label = torch.arange(37) // 3
    upstream = torch.rand(37, generator=generator)
    exact, ours = x.double().requires_grad_(), x.to(device).requires_grad_()
    expected = naive.batch_hard(exact, label, margin=20.0, reduction="none")
    found = BatchHard.apply(ours, label.to(device), 20.0, False)
    (slope,) = torch.autograd.grad(found, ours, upstream.to(device))
    (exact_slope,) = torch.autograd.grad(expected, exact, upstream.double())
    # In half precision a near tie may go the other way, which moves a cost by as little as the tie.
    limits = (1e-4, 1e-4) if dtype == torch.float32 else (1e-2, 0.2)
    for name, a, b, limit in zip(("cost", "gradient"), (found, slope), (expected, exact_slope), limits, strict=True):
        if not (error := ((a.double().cpu() - b).norm() / b.norm()).item()) <= limit:
            raise KernelError(f"{name} is off by {error:.1e}")
