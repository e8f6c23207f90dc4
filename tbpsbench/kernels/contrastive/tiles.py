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


class Way(NamedTuple):
    """How the forward kernel goes through its tiles.

    Attributes:
        one_pass: a tile is multiplied once for both directions, and taken in by its rows and by its columns.
        flat: the loops over tiles and channels are one: the next tile is copied while one is taken in.
        split: parts of a tile's columns that are taken in one after the other. What is kept of rows spills beside a
            whole tile of some losses, and what is kept of columns beside half of one.
    """

    one_pass: bool
    flat: bool
    split: int


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


def way_of_statistics(
    kind: Kind, bulk: bool = True, capability: int = 90, more: bool = False, paired: bool = False, both: bool = True
) -> Way:
    """Of the forward kernel in half precision beyond small batches; arguments as above.

    Args:
        more: sums are kept that only a learnt scale, or alpha, asks for.
        paired: a row's positive is the row of its number alone, and no labels are compared.
        both: there are two directions.
    """
    if not bulk:
        return Way(False, False, 2 if capability >= 100 else 1)
    if kind in HINGED:
        # Statistics of both directions do not fit the registers.
        return Way(False, False, 2)
    if not both:
        return Way(False, False, 4 if kind == "divergence" and more else 1)
    if kind == "divergence":
        return Way(not more, False, 4)
    return Way(True, True, 1 if paired and not more and capability < 100 else 4)


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
