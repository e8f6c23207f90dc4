"""QuickGELU, x * sigmoid(1.702 x), as OpenAI's CLIP uses it, with a backward pass of one kernel.

With z = 1.702 x its derivative is sigmoid(z) (1 + z (1 - sigmoid(z))), which is that of silu at z. So one saved tensor
and torch's own kernel do what otherwise takes two saved tensors and five kernels.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from tbpsbench.kernels.differentiation import first_derivatives

FACTOR = 1.702


class QuickGELU(nn.Module):
    """x * sigmoid(1.702 x), element by element: values to the bit those of the formula, gradients but for rounding."""

    def forward(self, x: Tensor) -> Tensor:
        """The activation of `x`, in its type."""
        if torch.is_grad_enabled() and x.requires_grad:
            return _QuickGELU.apply(x)  # type: ignore[no-any-return]
        return x * torch.sigmoid(FACTOR * x)


class _QuickGELU(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        z = FACTOR * x
        ctx.save_for_backward(z)
        return torch.sigmoid(z).mul_(x)

    @staticmethod
    @first_derivatives
    def backward(ctx: Any, *grads: Tensor) -> Tensor:
        (z,) = ctx.saved_tensors
        return torch.ops.aten.silu_backward(grads[0], z)  # type: ignore[no-any-return]
