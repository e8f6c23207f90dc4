"""HSIC with the RBF kernel: back ends, gradients, and custom operators for torch.compile.

Shapes: N rows, D and E widths of the two sets.
"""

from __future__ import annotations

from typing import Any, Literal

import torch
from torch import Tensor

from ..differentiation import first_derivatives
from ..dispatch import Backend, KernelError, chosen
from ..precision import alike, at_least_float32
from . import naive
from . import torch_rbf as plain


def rbf(
    x_ND: Tensor, y_NE: Tensor, sigma: float | Literal["median"], unbiased: bool, form: Literal["auto", "rows", "tiles"]
) -> Tensor:
    """HSIC of features of any floating dtype; a scalar, float32 or float64."""
    x_ND, y_NE = alike(x_ND, y_NE)
    tiled = form == "tiles" or (form == "auto" and len(x_ND) > plain.PLAIN_ROWS)
    compiling = torch.compiler.is_compiling()
    streamed = not compiling and form != "rows" and backend(x_ND) == "triton"
    if streamed or (compiling and (tiled or (form != "rows" and x_ND.is_cuda))):
        exact = at_least_float32(x_ND).dtype
        gammas = torch.stack([plain.gamma(at_least_float32(z), sigma) for z in (x_ND, y_NE)]).to(exact)
        if compiling:
            return hsic_rbf(x_ND, y_NE, gammas, unbiased)[0]  # type: ignore[no-any-return]
        return RBF.apply(x_ND, y_NE, gammas, unbiased)  # type: ignore[no-any-return]
    x_ND, y_NE = at_least_float32(x_ND), at_least_float32(y_NE)
    x_ND, y_NE = x_ND - x_ND.detach().mean(0), y_NE - y_NE.detach().mean(0)
    gamma_x, gamma_y = plain.gamma(x_ND, sigma), plain.gamma(y_NE, sigma)
    if tiled:
        return plain.RBFByTiles.apply(x_ND, y_NE, gamma_x, gamma_y, unbiased)  # type: ignore[no-any-return]
    return plain.rbf_by_rows(x_ND, y_NE, gamma_x, gamma_y, unbiased)


def backend(like: Tensor) -> Backend:
    """What runs tensors like this one."""
    return chosen("hsic (rbf)", like, _self_check)


class RBF(torch.autograd.Function):
    """The Triton form."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, y: Tensor, gammas: Tensor, unbiased: bool) -> Tensor:
        from . import triton_rbf_launch

        value, *saved = triton_rbf_launch.forward(x, y, gammas, unbiased)
        ctx.save_for_backward(x, y, gammas, *saved)
        ctx.unbiased = unbiased
        return value

    @staticmethod
    @first_derivatives
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        from . import triton_rbf_launch

        x, y, gammas, means, totals, column_means = ctx.saved_tensors
        found = triton_rbf_launch.backward(grads[0], x, y, gammas, means, totals, column_means, ctx.unbiased)
        return *found, None, None


@torch.library.custom_op(
    "tbpsbench::hsic_rbf",
    mutates_args=(),
    schema="(Tensor x, Tensor y, Tensor gammas, bool unbiased) -> (Tensor, Tensor, Tensor, Tensor)",
)
def hsic_rbf(x: Tensor, y: Tensor, gammas: Tensor, unbiased: bool) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """See `triton_rbf_launch.forward`."""
    if backend(x) == "triton":
        from . import triton_rbf_launch

        return triton_rbf_launch.forward(x, y, gammas, unbiased)
    x, y = at_least_float32(x), at_least_float32(y)
    columns = torch.cat([x.mean(0), y.mean(0)])
    x, y = x - columns[: x.shape[1]], y - columns[x.shape[1] :]
    value, mean_x, total_x, mean_y, total_y = plain.tiles_forward(x, y, gammas[0], gammas[1], unbiased)
    return value, torch.stack([mean_x, mean_y]), torch.stack([total_x, total_y]), columns


@hsic_rbf.register_fake
def _(x: Tensor, y: Tensor, gammas: Tensor, unbiased: bool) -> tuple[Tensor, Tensor, Tensor, Tensor]:  # noqa: ARG001
    exact = at_least_float32(x).dtype
    shapes = ((), (2, x.shape[0]), (2,), (x.shape[1] + y.shape[1],))
    return tuple(x.new_empty(shape, dtype=exact) for shape in shapes)  # type: ignore[return-value]


@torch.library.custom_op(
    "tbpsbench::hsic_rbf_backward",
    mutates_args=(),
    schema="(Tensor grad, Tensor x, Tensor y, Tensor gammas, Tensor means, Tensor totals, Tensor columns, "
    "bool unbiased) -> (Tensor, Tensor)",
)
def hsic_rbf_backward(
    grad: Tensor, x: Tensor, y: Tensor, gammas: Tensor, means: Tensor, totals: Tensor, columns: Tensor, unbiased: bool
) -> tuple[Tensor, Tensor]:
    """Gradients of both sets."""
    if backend(x) == "triton":
        from . import triton_rbf_launch

        return triton_rbf_launch.backward(grad, x, y, gammas, means, totals, columns, unbiased)
    dtype, width = x.dtype, x.shape[1]
    x, y = at_least_float32(x) - columns[:width], at_least_float32(y) - columns[width:]
    saved = (x, y, gammas[0], gammas[1], means[0], totals[0], means[1], totals[1])
    grad_x, grad_y = plain.tiles_backward(grad, saved, unbiased)
    return grad_x.to(dtype), grad_y.to(dtype)


@hsic_rbf_backward.register_fake
def _(_: Tensor, x: Tensor, y: Tensor, *__: Any) -> tuple[Tensor, Tensor]:
    return x.new_empty(x.shape), y.new_empty(y.shape)


def _setup(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
    x, y, gammas, ctx.unbiased = inputs
    ctx.save_for_backward(x, y, gammas, *output[1:])
    ctx.set_materialize_grads(False)


def _backward(ctx: Any, grad: Tensor | None, *_: Tensor | None) -> tuple[Tensor | None, ...]:
    if grad is None:
        return None, None, None, None
    return *hsic_rbf_backward(grad, *ctx.saved_tensors, ctx.unbiased), None, None


hsic_rbf.register_autograd(_backward, setup_context=_setup)


def _self_check(device: torch.device, dtype: torch.dtype) -> None:
    """Both estimators on a small problem against the definition in float64.

    Raises:
        KernelError: if a value or a gradient is wrong.
    """
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(67, 20, generator=generator).to(dtype)
    y = (torch.randn(67, 36, generator=generator) + x[:, :1].float()).to(dtype)
    limit = 1e-4 if dtype == torch.float32 else 3e-2
    for unbiased in (False, True):
        exact = [z.double().requires_grad_() for z in (x, y)]
        ours = [z.to(device).requires_grad_() for z in (x, y)]
        kind = "unbiased" if unbiased else "biased"
        expected = naive.hsic(*exact, kernel="rbf", sigma=5.0, estimator=kind)  # type: ignore[arg-type]
        found = RBF.apply(*ours, torch.full((2,), 1 / 50, device=device), unbiased)
        grads = zip(torch.autograd.grad(found, ours), torch.autograd.grad(expected, exact), strict=True)
        for name, (a, b) in zip(("value", "gradient of x", "gradient of y"), ((found, expected), *grads), strict=True):
            if not (error := ((a.double().cpu() - b).norm() / b.norm()).item()) <= limit:
                raise KernelError(f"{name} of the {kind} estimator is off by {error:.1e}")
