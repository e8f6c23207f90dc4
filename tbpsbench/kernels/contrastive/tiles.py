"""Which tile of the matrix each Triton kernel takes, by dtype, width and number of pairs; measured, not searched."""

from __future__ import annotations

from typing import NamedTuple

import torch

from .form import HINGED, Kind

# As many programs as should run at once: two on each of 132 multiprocessors.
PROGRAMS = 264
# Up to here one launch does the whole forward pass, and one the backward pass: half precision, float32.
SMALL_ROWS = {True: 512, False: 256}
# Up to here labels are compared with each other, in one launch; beyond, they are sorted, in a dozen. With labels that
# were compared, a step of InfoNCE at 8,192 pairs took 1.36 ms on an H100, with sorted ones 2.16 ms.
COMPARED_ROWS = 1 << 14


class Plan(NamedTuple):
    """How tiles that are copied by descriptors are gone through. What differs from this default was timed on no GPU.

    Attributes:
        one_pass: a tile is multiplied once for both directions, and taken in by its rows and by its columns.
        flat: the forward kernel's loops over tiles and channels are one: the next tile is copied while one is taken in.
        flat_weights: the same in the backward kernel.
    """

    one_pass: bool = False
    flat: bool = False
    flat_weights: bool = False


PLAN = Plan()


class Tile(NamedTuple):
    """A launch.

    Attributes:
        block_m: rows that a program owns.
        block_n: rows of the other side that it looks at together.
        block_k: channels multiplied at once.
        warps, stages: of Triton.
        block_d: channels of the gradient that a program owns, in a small batch.
    """

    block_m: int
    block_n: int
    block_k: int
    warps: int
    stages: int
    block_d: int = 0


# Of the kernels on a strip of float32 similarities, which only read and write.
STRIP_ROWS = Tile(4, 512, 16, 4, 2)
STRIP_COLUMNS = Tile(64, 32, 16, 4, 2)
STRIP_WEIGHTS = Tile(8, 256, 16, 4, 2)


def identities(rows: int, dtype: torch.dtype) -> int:
    """How many identities the forward pass keeps for the backward pass: one for each row, or none at all."""
    return rows if dtype.itemsize == 2 and rows > SMALL_ROWS[True] else 0


def whole(width: int) -> int:
    """The power of two that holds a width, at least 16."""
    return max(16, 1 << (width - 1).bit_length())


def statistics_tile(
    kind: Kind, half: bool, width: int, rows: int, bulk: bool = True, capability: int = 90, slopes: bool = False
) -> Tile:
    """Of the forward kernel; in float32 for small batches alone.

    Args:
        kind: of the loss.
        half: bfloat16 or float16, not float32.
        width: D.
        rows: N.
        bulk: tiles are copied by descriptors.
        capability: of the GPU, 90 for 9.0.
        slopes: the gradient by the scale is asked for.
    """
    if rows <= SMALL_ROWS[half]:
        return Tile(16, 64 if half else 32, min(64, whole(width)), 4, 3)
    if bulk:
        return _two_programs(capability)
    # The hardest negative takes registers. For SDM a wide tile saves a tenth of a whole step on an H100 although it
    # spills a little; with what a learnt temperature keeps beside it, or compiled for 10.0, it would spill far more.
    wide = kind == "divergence" and not slopes and capability < 100
    return Tile(128, 256 if wide else 64 if kind == "ranking" else 128, 64, 8, 3)


def split_of_statistics(
    kind: Kind, bulk: bool = True, capability: int = 90, slopes: bool = False, one_pass: bool = False
) -> int:
    """Parts of the columns that the forward kernel takes in one after the other; arguments as above.

    What is kept of rows spills beside a whole tile of some losses, and what is kept of columns beside half of one.
    """
    if bulk:
        return 4 if one_pass or kind in HINGED or (kind == "divergence" and slopes) else 1
    return 2 if capability >= 100 else 1


def gradient_tile(half: bool, width: int, rows: int, bulk: bool = True, capability: int = 90) -> Tile:
    """Of the backward kernels, one for small batches and one for blocks; arguments as above."""
    if rows <= SMALL_ROWS[half]:
        # Channels as in the forward kernel: a similarity has the same bits in both.
        return Tile(16, 32, min(64, whole(width)), 4, 3, min(128 if half else 64, whole(width)))
    if bulk:
        return _two_programs(capability)
    # Four warps are a tenth faster on an H100; what is compiled for 10.0 has not the registers for it.
    return Tile(128, 64, 64, 8 if capability >= 100 else 4, 3)


def split_of(tile: Tile) -> int:
    """Parts of the columns of a tile that are weighed one after the other: 1, 2 or 4, of 16 columns at least."""
    return max(1, min(4, tile.block_n // 16))


def _two_programs(capability: int) -> Tile:
    """Where two programs share a multiprocessor: one multiplies while the other does the rest.

    Of four warps; of eight from 10.0 on, whose products are not in the registers.
    """
    return Tile(128, 128, 64, 8 if capability >= 100 else 4, 3)
