"""The precision that sums over a batch are made in."""

from __future__ import annotations

import torch
from torch import Tensor


def at_least_float32(x: Tensor) -> Tensor:
    """Half precision becomes float32, which long sums and small differences need; float64 stays (gradient checks)."""
    return x if x.dtype == torch.float64 else x.float()
