"""The scan as torch sees it: one operator each for the forward and the backward pass, opaque to torch.compile.

What runs inside is chosen when it runs, by device and dtype. Without torch.compile `in_triton` does the same with less
ado: calling an operator that is written in Python costs as much as a short scan takes.

Shapes: B batch, L positions, E channels, N state size.
"""

from typing import Any

import torch
from torch import Tensor

from ..differentiation import first_derivatives
from ..dispatch import Backend, KernelError, chosen
from . import naive
from . import torch as plain
from .kept import kept_shape

NAME = "selective_scan"


def which(like: Tensor) -> Backend:
    """What runs for tensors like `like`."""
    return chosen(NAME, like, self_check)


@torch.library.custom_op("tbpsbench::selective_scan", mutates_args=())
def scan(
    u: Tensor,
    dt: Tensor,
    A: Tensor,
    B: Tensor,
    C: Tensor,
    D: Tensor | None,
    z: Tensor | None,
    bias: Tensor | None,
    keep: bool,
) -> tuple[Tensor, Tensor]:
    """Outputs (B, L, E) in the type of `u`, and states for the backward pass, with `keep`."""
    if which(u) == "triton":
        from . import triton_launch as launch

        return launch.forward(launch.Inputs(u, dt, A, B, C, D, z, bias), keep)
    kept = u.new_empty(kept_shape(u, A, keep), dtype=torch.float32)
    return plain.selective_scan(u, dt, A, B, C, D, z, bias).contiguous(), kept


@torch.library.custom_op("tbpsbench::selective_scan_backward", mutates_args=())
def scan_backward(
    gy: Tensor,
    u: Tensor,
    dt: Tensor,
    A: Tensor,
    B: Tensor,
    C: Tensor,
    D: Tensor | None,
    z: Tensor | None,
    bias: Tensor | None,
    kept: Tensor,
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Gradients of the eight inputs, in their types; an empty one for an input that is None."""
    inputs = (u, dt, A, B, C, D, z, bias)
    if which(u) == "triton":
        from . import triton_launch as launch

        return launch.backward(gy, launch.Inputs(*inputs), kept)
    found = plain.gradients(gy, *inputs)
    return tuple(  # type: ignore[return-value]
        gy.new_empty(0) if x is None or g is None else g.to(x.dtype, memory_format=torch.contiguous_format, copy=True)
        for x, g in zip(inputs, found, strict=True)
    )


@scan.register_fake
def _(u: Tensor, _: Tensor, A: Tensor, *inputs: Any) -> tuple[Tensor, Tensor]:
    return u.new_empty(u.shape), u.new_empty(kept_shape(u, A, inputs[-1]), dtype=torch.float32)


@scan_backward.register_fake
def _(gy: Tensor, *inputs: Any) -> tuple[Tensor, ...]:
    return tuple(gy.new_empty(0) if x is None else x.new_empty(x.shape) for x in inputs[:-1])


def _save(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]) -> None:
    *tensors, _ = inputs
    ctx.mark_non_differentiable(output[1])
    ctx.save_for_backward(*tensors, output[1])


def _differentiate(ctx: Any, gy: Tensor, _: Any) -> tuple[Tensor | None, ...]:
    inputs = ctx.saved_tensors[:-1]
    found = scan_backward(gy, *ctx.saved_tensors)
    return *(None if x is None else g for x, g in zip(inputs, found, strict=True)), None


scan.register_autograd(_differentiate, setup_context=_save)


class _InTriton(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, *inputs: Any) -> Tensor:
        from . import triton_launch as launch

        *tensors, keep = inputs
        y, kept = launch.forward(launch.Inputs(*tensors), keep)
        ctx.save_for_backward(*tensors, kept)
        return y

    @staticmethod
    @first_derivatives
    def backward(ctx: Any, gy: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        from . import triton_launch as launch

        *tensors, kept = ctx.saved_tensors
        found = launch.backward(gy, launch.Inputs(*tensors), kept)
        return *(None if x is None else g for x, g in zip(tensors, found, strict=True)), None


def in_triton(*inputs: Tensor | None) -> Tensor:
    """The scan of eight inputs, some of which may be None, by the Triton kernels."""
    return _InTriton.apply(*inputs, wants_gradients(*inputs))


def wants_gradients(*inputs: Tensor | None) -> bool:
    """Whether a backward pass may follow."""
    return torch.is_grad_enabled() and any(x is not None and x.requires_grad for x in inputs)


def self_check(device: torch.device, dtype: torch.dtype, length: int = 37, channels: int = 21) -> None:
    """A small scan of odd size on a device, value and gradients, against the definition in float64.

    Raises:
        KernelError: if it is wrong.
    """
    generator = torch.Generator().manual_seed(0)

    def draw(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    wide, narrow = (2, length, channels), (2, length, 16)
    drawn = [draw(*wide), draw(*wide), -draw(channels, 16).exp(), draw(*narrow), draw(*narrow), draw(channels)]
    rounded = [x.to(device, dtype) for x in (*drawn, draw(*wide), draw(channels))]
    doubles = [x.double().cpu().requires_grad_() for x in rounded]
    exact = naive.selective_scan(*doubles)
    gy = draw(*wide).to(dtype)
    wanted = (exact, *torch.autograd.grad(exact, doubles, gy.double()))
    y, kept = scan(*rounded, True)
    found = (y, *scan_backward(gy.to(device), *rounded, kept))
    limit = 1e-4 if dtype == torch.float32 else 2e-2
    for name, one, other in zip(("y", "u", "dt", "A", "B", "C", "D", "z", "bias"), found, wanted, strict=True):
        error = float((one.double().cpu() - other.detach()).norm() / other.detach().norm())
        if not error <= limit:
            raise KernelError(f"relative error {error:.1e} of {name}, allowed {limit:.0e}")
