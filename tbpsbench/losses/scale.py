"""What cosines are multiplied by before a softmax: one over a temperature, fixed or learnt as in CLIP."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from tbpsbench.layers.ranges import require_positive

MAX_SCALE = 100.0


class Scale(nn.Module):
    """1 / temperature as a module that is called.

    A fixed scale is a plain number, exact in any precision and not saved. A learnt one is the exponential of a
    parameter, which is held at 100 or below (CLIP).

    Args:
        temperature: > 0.
        learnable: make its logarithm a parameter.

    Raises:
        ValueError: if `temperature` is not positive.
    """

    def __init__(self, temperature: float, *, learnable: bool = False) -> None:
        super().__init__()
        require_positive(temperature=temperature)
        self.fixed = 1.0 / temperature
        self.log: nn.Parameter | None = nn.Parameter(torch.tensor(-math.log(temperature))) if learnable else None

    def forward(self, like: Tensor) -> Tensor:
        """The scale as a scalar of the type and on the device of `like`."""
        if self.log is None:
            return like.new_tensor(self.fixed)
        return learnt_scale(self.log).to(like.dtype)


def learnt_scale(log: Tensor) -> Tensor:
    """The exponential of a parameter (scalar), which is first brought down to log 100 in place where it is above."""
    with torch.no_grad():
        # The parameter, not its value: a clamped value has no gradient and would never come down again.
        log.clamp_(max=math.log(MAX_SCALE))
    return log.exp()
