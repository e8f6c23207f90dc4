"""HSIC with the linear kernel: which form, which back end, gradients, and custom operators for torch.compile.

Eager calls go through autograd functions: a custom operator costs several times what they cost, more than the kernels
take for a usual batch. `torch.compile` sees the operators, whose back end is chosen when they run.

Shapes: N rows, D and E widths of the two sets, S = D + E.
"""

from __future__ import annotations

from typing import Any, Literal

import torch
from torch import Tensor

from ..differentiation import first_derivatives
from ..dispatch import Backend, KernelError, chosen, interpreting, wanted
from ..precision import alike, at_least_float32, in_own_precision
from . import naive
from . import torch as plain
from .terms import scale, width_is_cheaper

# "few": both N x N matrices in one program of Triton; "rows": both in plain torch.
LinearForm = Literal["few", "width", "rows"]
# A product (D, E) is worth keeping up to this many values, where it takes more work than both N x N matrices, too.
SMALL_PRODUCT = 1 << 22


def few_rows(dtype: torch.dtype, unbiased: bool) -> int:
    """Up to how many rows one Triton program makes both N x N matrices; more exact ones do not fit its registers."""
    return 64 if unbiased or dtype == torch.float32 else 128


def linear_form(x_ND: Tensor, y_NE: Tensor, unbiased: bool) -> LinearForm:
    """The cheapest form. It does not depend on the back end, only on sizes, dtype and device."""
    rows, width, other = len(x_ND), x_ND.shape[1], y_NE.shape[1]
    cheaper = width_is_cheaper(rows, width, other)
    if x_ND.dtype != torch.float64 and (x_ND.is_cuda or _interpreted()):
        if rows <= few_rows(x_ND.dtype, unbiased):
            return "few"
        return "width" if cheaper or width * other <= SMALL_PRODUCT else "rows"
    return "width" if cheaper else "rows"


def _interpreted() -> bool:
    return interpreting() and wanted() == "triton"


def linear(x_ND: Tensor, y_NE: Tensor, unbiased: bool, form: LinearForm) -> Tensor:
    """HSIC of features of any floating dtype in one of its forms; a scalar, float32 or float64."""
    x_ND, y_NE = alike(x_ND, y_NE)
    if form == "rows":
        return plain.linear_by_rows(at_least_float32(x_ND), at_least_float32(y_NE), unbiased=unbiased)
    if torch.compiler.is_compiling():
        return hsic_linear(x_ND, y_NE, unbiased, form)[0]  # type: ignore[no-any-return]
    if backend(x_ND) == "triton":
        return Linear.apply(x_ND, y_NE, unbiased, form, None, 1)  # type: ignore[no-any-return]
    x_ND, y_NE = at_least_float32(x_ND), at_least_float32(y_NE)
    if form == "few":
        return plain.linear_by_rows(x_ND, y_NE, unbiased=unbiased)
    return plain.LinearByWidth.apply(x_ND, y_NE, unbiased, _same, 1)  # type: ignore[no-any-return]


@in_own_precision
def linear_by_width(
    x_ND: Tensor, y_NE: Tensor, *, unbiased: bool = False, reduce: plain.Reduce | None = None, processes: int = 1
) -> Tensor:
    """HSIC with the linear kernel in O(N D E), also of rows that several processes hold.

    Args:
        x_ND, y_NE: (N, D) and (N, E), this process' rows, as many as every other process holds.
        unbiased: which estimator.
        reduce: sums a tensor over all processes. Only column sums and (D, E) products travel, no features.
        processes: their number. Gradients are multiplied by it, as those of every loss of the joined batch are
            (distributed.py).

    Returns:
        A scalar with first derivatives, float32 or float64.
    """
    if reduce is None:
        return linear(x_ND, y_NE, unbiased, "width")
    x_ND, y_NE = alike(x_ND, y_NE)
    if backend(x_ND) == "triton":
        return Linear.apply(x_ND, y_NE, unbiased, "width", reduce, processes)  # type: ignore[no-any-return]
    x_ND, y_NE = at_least_float32(x_ND), at_least_float32(y_NE)
    return plain.LinearByWidth.apply(x_ND, y_NE, unbiased, reduce, processes)  # type: ignore[no-any-return]


def backend(like: Tensor) -> Backend:
    """What runs tensors like this one."""
    return chosen("hsic", like, _self_check)


class Linear(torch.autograd.Function):
    """The Triton forms."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, y: Tensor, unbiased: bool, form: str, reduce: plain.Reduce | None, processes: int
    ) -> Tensor:
        if form == "few":
            from . import triton_few

            value, *saved = triton_few.few_forward(x, y, unbiased)
        else:
            from . import triton_launch

            value, *saved = triton_launch.width_forward(x, y, unbiased, reduce, processes)
        ctx.save_for_backward(x, y, *saved)
        ctx.unbiased, ctx.form, ctx.processes = unbiased, form, processes
        return value

    @staticmethod
    @first_derivatives
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        want = ctx.needs_input_grad[:2]
        found = _triton_backward(grads[0], ctx.saved_tensors, ctx.unbiased, ctx.form, want, ctx.processes)
        return *found, None, None, None, None


def _triton_backward(
    grad: Tensor, saved: tuple[Tensor, ...], unbiased: bool, form: str, want: tuple[bool, bool], processes: int = 1
) -> tuple[Tensor | None, Tensor | None]:
    from . import triton_few, triton_launch

    x, y, matrices, means, rest = saved
    if form == "few":
        return triton_few.few_backward(grad, x, y, matrices, means, unbiased, want)
    return triton_launch.width_backward(grad, x, y, matrices, means, rest, unbiased, want, processes)


@torch.library.custom_op(
    "tbpsbench::hsic_linear",
    mutates_args=(),
    schema="(Tensor x, Tensor y, bool unbiased, str form) -> (Tensor, Tensor, Tensor, Tensor)",
)
def hsic_linear(x: Tensor, y: Tensor, unbiased: bool, form: str) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """HSIC and what its gradient needs, whose shapes do not depend on the back end.

    Returns:
        The value. For the form "few" both centred matrices (2, N, N), else C (1, D, E), in bfloat16 if the features
        are. The column means (S,). Of the unbiased estimator by width (3 + S + 2 N,): the sums of `torch.products` and
        the squared lengths; else (0,).
    """
    if backend(x) == "triton":
        from . import triton_few, triton_launch

        return (triton_few.few_forward if form == "few" else triton_launch.width_forward)(x, y, unbiased)
    rows, width, kept = len(x), x.shape[1], x.dtype
    x, y = at_least_float32(x), at_least_float32(y)
    means = plain.means(x, y, _same, rows)
    x, y = x - means[:width], y - means[width:]
    if form == "few":
        matrices = torch.stack([plain.centre(z @ z.T, True) if unbiased else z @ z.T for z in (x, y)])
        return (matrices[0] * matrices[1]).sum() * scale(rows, unbiased), matrices, means, x.new_empty(0)
    parts = plain.products(x, y, unbiased)
    cross, rest = parts[: width * y.shape[1]].view(width, -1), parts[width * y.shape[1] :]
    value = plain.value(cross, rest, rows, unbiased).to(x.dtype)
    if unbiased:
        rest = torch.cat([rest, x.square().sum(1), y.square().sum(1)])
    return value, cross[None].to(_kept(kept), copy=True), means, rest.clone()


@hsic_linear.register_fake
def _(x: Tensor, y: Tensor, unbiased: bool, form: str) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    exact, rows, span = at_least_float32(x).dtype, x.shape[0], x.shape[1] + y.shape[1]
    if form == "few":
        matrices = x.new_empty((2, rows, rows), dtype=exact)
    else:
        matrices = x.new_empty((1, x.shape[1], y.shape[1]), dtype=_kept(x.dtype))
    rest = 3 + span + 2 * rows if unbiased and form == "width" else 0
    return x.new_empty((), dtype=exact), matrices, *(x.new_empty(size, dtype=exact) for size in (span, rest))


@torch.library.custom_op(
    "tbpsbench::hsic_linear_backward",
    mutates_args=(),
    schema="(Tensor grad, Tensor x, Tensor y, Tensor matrices, Tensor means, Tensor rest, bool unbiased, str form, "
    "bool want_x, bool want_y) -> (Tensor, Tensor)",
)
def hsic_linear_backward(
    grad: Tensor,
    x: Tensor,
    y: Tensor,
    matrices: Tensor,
    means: Tensor,
    rest: Tensor,
    unbiased: bool,
    form: str,
    want_x: bool,
    want_y: bool,
) -> tuple[Tensor, Tensor]:
    """Gradients of both sets; (0,) for one that is not wanted."""
    want, width = (want_x, want_y), x.shape[1]
    found: tuple[Tensor | None, Tensor | None]
    if backend(x) == "triton":
        found = _triton_backward(grad, (x, y, matrices, means, rest), unbiased, form, want)
    else:
        factor = 2 * grad * scale(len(x), unbiased)
        x_c, y_c = at_least_float32(x) - means[:width], at_least_float32(y) - means[width:]
        if form == "few":
            found = factor * (matrices[1] @ x_c), factor * (matrices[0] @ y_c)
        else:
            cross, sums = matrices[0].to(x_c.dtype), rest[: 3 + len(means)]
            found = plain.gradients(x_c, y_c, cross, sums, factor, len(x), unbiased, want)
    pairs = zip(found, (x, y), want, strict=True)
    return tuple(z.new_empty(0) if out is None or not asked else out.to(z.dtype) for out, z, asked in pairs)  # type: ignore[return-value]


@hsic_linear_backward.register_fake
def _(_: Tensor, x: Tensor, y: Tensor, *rest: Any) -> tuple[Tensor, Tensor]:
    *_, want_x, want_y = rest
    return x.new_empty(x.shape if want_x else 0), y.new_empty(y.shape if want_y else 0)


def _setup(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
    x, y, ctx.unbiased, ctx.form = inputs
    ctx.save_for_backward(x, y, *output[1:])
    ctx.set_materialize_grads(False)


def _backward(ctx: Any, grad: Tensor | None, *_: Tensor | None) -> tuple[Tensor | None, ...]:
    want_x, want_y = ctx.needs_input_grad[:2]
    if grad is None:
        return None, None, None, None
    grad_x, grad_y = hsic_linear_backward(grad, *ctx.saved_tensors, ctx.unbiased, ctx.form, want_x, want_y)
    return grad_x if want_x else None, grad_y if want_y else None, None, None


hsic_linear.register_autograd(_backward, setup_context=_setup)


def _same(x: Tensor) -> Tensor:
    return x


def _kept(dtype: torch.dtype) -> torch.dtype:
    """What C is kept in: tensor cores take it in bfloat16; float16 would overflow."""
    return dtype if dtype in (torch.bfloat16, torch.float64) else torch.float32


def _self_check(device: torch.device, dtype: torch.dtype) -> None:
    """Both Triton forms, both estimators, on a small problem against the definition in float64.

    Raises:
        KernelError: if a value or a gradient is wrong.
    """
    generator = torch.Generator().manual_seed(0)
    limit = 1e-4 if dtype == torch.float32 else 2e-2
    for form, rows in (("few", 21), ("width", 131)):
        x = torch.randn(rows, 40, generator=generator).to(dtype)
        y = (torch.randn(rows, 72, generator=generator) + x[:, :1].float()).to(dtype)
        for unbiased in (False, True):
            exact = [z.double().requires_grad_() for z in (x, y)]
            ours = [z.to(device).requires_grad_() for z in (x, y)]
            expected = naive.hsic(*exact, estimator="unbiased" if unbiased else "biased")
            found = Linear.apply(*ours, unbiased, form, None, 1)
            pairs = [(found, expected), *zip(_grads(found, ours), _grads(expected, exact), strict=True)]
            for name, (a, b) in zip(("value", "gradient of x", "gradient of y"), pairs, strict=True):
                error = ((a.double().cpu() - b).norm() / b.norm()).item()
                if not error <= limit:
                    kind = "unbiased" if unbiased else "biased"
                    raise KernelError(f"{name} of the {kind} form {form!r} is off by {error:.1e}")


def _grads(value: Tensor, inputs: list[Tensor]) -> tuple[Tensor, ...]:
    return torch.autograd.grad(value, inputs)
