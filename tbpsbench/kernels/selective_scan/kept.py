"""Which states the forward pass keeps for the backward pass.

Shapes: B batch, L positions, E channels, N state size.
"""

from __future__ import annotations

from torch import Tensor

# Positions of a segment. The states take N / POSITIONS of the memory of `u` in float32.
POSITIONS = 32


def kept_shape(u: Tensor, A: Tensor, keep: bool, positions: int = POSITIONS) -> tuple[int, ...]:
    """Shape of the kept states: one a segment but the first, whose state is zero, (B, segments - 1, E, N).

    Args:
        u: (B, L, E).
        A: (E, N).
        keep: whether there are any; otherwise (0,).
        positions: of a segment.
    """
    batch, length, channels = u.shape
    return (batch, (length + positions - 1) // positions - 1, channels, A.shape[1]) if keep else (0,)
