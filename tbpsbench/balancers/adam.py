"""Adam (Kingma and Ba 2015) on a few numbers, with its whole state in buffers: what a checkpoint of the model holds."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from tbpsbench.layers.ranges import require_positive


class BufferAdam(nn.Module):
    """The private optimiser of a balancer.

    Args:
        size: how many numbers, K.
        lr: learning rate, > 0.

    Raises:
        ValueError: if `lr` is not positive.
    """

    mean_K: Tensor
    square_K: Tensor
    steps: Tensor

    def __init__(self, size: int, lr: float, betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-8) -> None:
        super().__init__()
        require_positive(lr=lr)
        self.lr, self.betas, self.eps = lr, betas, eps
        self.register_buffer("mean_K", torch.zeros(size))
        self.register_buffer("square_K", torch.zeros(size))
        self.register_buffer("steps", torch.zeros(()))

    @torch.no_grad()
    def step(self, values_K: Tensor, gradient_K: Tensor) -> None:
        """Move the values (K,) in place against their gradient (K,)."""
        fast, slow = self.betas
        self.steps += 1
        self.mean_K.lerp_(gradient_K, 1 - fast)
        self.square_K.lerp_(gradient_K.square(), 1 - slow)
        mean_K = self.mean_K / (1 - fast**self.steps)
        square_K = self.square_K / (1 - slow**self.steps)
        values_K -= self.lr * mean_K / (square_K.sqrt() + self.eps)
