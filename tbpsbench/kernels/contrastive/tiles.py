"""Which tile of the matrix each Triton kernel takes, by dtype, width and number of pairs; measured, not searched."""

from __future__ import annotations

from typing import NamedTuple

# Widest features whose gradient a program holds in its registers.
FUSED_WIDTH = 512
# Up to here one launch does the whole forward pass, and one the backward pass.
SMALL_ROWS = 512
# As many programs as should run at once, on a device of up to 132 multiprocessors.
PROGRAMS = 264


class Tile(NamedTuple):
    """A launch.

    Attributes:
        block_m: rows that a program owns.
        block_n: rows of the other side that it looks at together.
        block_k: channels multiplied at once; the whole width where it is as large, and the own rows then stay loaded.
        warps, stages: of Triton.
        block_d: channels of the gradient that a program owns; 0 for `block_k`.
    """

    block_m: int
    block_n: int
    block_k: int
    warps: int
    stages: int
    block_d: int = 0


def whole(width: int) -> int:
    """The power of two that holds a width, at least 16."""
    return max(16, 1 << (width - 1).bit_length())


def statistics_tile(half: bool, width: int, rows: int) -> Tile:
    """Of the forward kernel.

    Args:
        half: bfloat16 or float16, not float32.
        width: D.
        rows: N.
    """
    if rows <= SMALL_ROWS:
        return Tile(16, 64, min(64, whole(width)), 4, 3) if half else Tile(16, 32, min(64, whole(width)), 4, 3)
    return Tile(128, 128, min(64, whole(width)), 8, 3) if half else Tile(64, 64, 32, 4, 3)


def gradient_tile(half: bool, width: int, rows: int) -> Tile:
    """Of the backward kernel; arguments as above."""
    if rows <= SMALL_ROWS:
        narrow = min(64, whole(width))
        return Tile(16, 32, narrow, 4, 2, min(128, whole(width))) if half else Tile(16, 32, narrow, 4, 2, narrow)
    return Tile(64, 64 if width <= 256 else 32, whole(width), 8, 2)
