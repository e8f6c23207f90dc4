"""The backward pass beyond small batches, block by block of the similarities.

A block is made and weighed by one launch; two matrix products of the vendor's library take it up. A block of some rows
by some columns, and not a strip of all columns, gives both products enough rows to fill a GPU with less memory.

Shapes: N pairs, D width, R x C similarities of a block.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ..launching import LIGHT, kept, parts_of, placed
from .tiles import PROGRAMS, STRIP_WEIGHTS, Tile, gradient_tile, split_of
from .triton_call import Call, described
from .triton_weigh import PREPARED, prepare_kernel, weigh_kernel

# Bytes of a strip of all columns in float32.
STRIP_BYTES = 64 << 20
# Rows and columns are multiples of this, but for the last ones.
FEWEST = 128
# Rows of a block begin at multiples of so many numbers.
ALIGNED = 8


class Sizes(NamedTuple):
    """Of blocks in half precision.

    4,096 rows by 6,144 columns are programs for all multiprocessors of an H100 in one wave, and enough rows for both
    products to fill it.

    Attributes:
        rows: at most.
        bytes: of a block, at most.
        whole: bytes up to which a block has all columns: fewer launches for a batch that hardly takes longer than they
            do.
    """

    rows: int = 4096
    bytes: int = 48 << 20
    whole: int = 64 << 20


USUAL = Sizes()


class Block(NamedTuple):
    """Rows `begin` to below `end`, columns `start` to below `last` of the similarities."""

    begin: int
    end: int
    start: int
    last: int

    @property
    def shape(self) -> tuple[int, int]:
        """R and C."""
        return self.end - self.begin, self.last - self.start


def strips(rows: int) -> Iterator[tuple[int, int]]:
    """First row of each strip in float32, and the row after its last."""
    height = max(FEWEST, STRIP_BYTES // (4 * rows) // FEWEST * FEWEST)
    for begin in range(0, rows, height):
        yield begin, min(begin + height, rows)


def blocks(rows: int, half: bool, sizes: Sizes | None = None) -> Iterator[Block]:
    """All of the matrix, some rows after the others; none is larger than the first."""
    if not half:
        yield from (Block(begin, end, 0, rows) for begin, end in strips(rows))
        return
    sizes = sizes or USUAL
    height = min(rows, sizes.rows)
    width = max(FEWEST, sizes.bytes // (2 * height) // FEWEST * FEWEST)
    width = rows if 2 * height * rows <= sizes.whole else width
    for begin in range(0, rows, height):
        for start in range(0, rows, width):
            yield Block(begin, min(begin + height, rows), start, min(start + width, rows))


def gradients(
    call: Call,
    grad_N: Tensor,
    saved: Tensor,
    identity_N: Tensor,
    needed: tuple[bool, bool],
    tile: Tile | None,
    sizes: Sizes | None = None,
) -> tuple[Tensor, Tensor]:
    """As `triton.gradient`.

    In memory at once are a block, one gradient, the sum in float32 that becomes the other and, where a block has not
    all columns, that of its rows.
    """
    has_unit = call.sides[0].dtype == torch.float16
    unit = call.unit(grad_N) if has_unit else grad_N
    all_blocks = list(blocks(call.rows, call.half, sizes))
    weighing = _Weighing(call, grad_N, saved, identity_N, unit, has_unit, tile, all_blocks[0])
    anchor_ND, positive_ND = call.sides
    first_ND = torch.empty_like(anchor_ND) if needed[0] else anchor_ND.new_empty(0)
    rows_RD = None
    total_ND = call.room(*positive_ND.shape) if needed[1] else None
    for block in all_blocks:
        begin, end, start, last = block
        weight_RC = weighing.weights(block)
        if needed[0] and block.shape[1] == call.rows:
            torch.mm(weight_RC, positive_ND, out=first_ND[begin:end])
            if has_unit:
                first_ND[begin:end] *= unit
        elif needed[0]:
            rows_RD = call.room(end, call.width) if rows_RD is None else rows_RD[: end - begin]
            _multiply(rows_RD, weight_RC, positive_ND[start:last], add=start > 0)
            if last == call.rows:
                first_ND[begin:end] = rows_RD.mul_(unit) if has_unit else rows_RD
        if total_ND is not None:
            _multiply(total_ND[start:last], weight_RC.T, anchor_ND[begin:end], add=begin > 0)
    # The block and the sum of its rows make room for the second gradient.
    del weighing, weight_RC, rows_RD
    if total_ND is None:
        return first_ND, positive_ND.new_empty(0)
    return first_ND, (total_ND.mul_(unit) if has_unit else total_ND).to(positive_ND.dtype)


class _Weighing:
    """Makes blocks of the gradient by the similarities, all in the same memory."""

    def __init__(
        self, call: Call, grad_N: Tensor, saved: Tensor, identity_N: Tensor, unit: Tensor, has_unit: bool,
        tile: Tile | None, largest: Block,
    ) -> None:  # fmt: skip
        self.call, self.tile, self.split = call, STRIP_WEIGHTS, 1
        if call.half:
            self.tile = tile or gradient_tile(True, call.width, call.rows, call.bulk, call.capability())
            self.split = split_of(self.tile)
        self.label, self.sides = identity_N if call.half else call.label, call.boxes(self.tile)
        self.prepared = call.room(2, PREPARED.value, call.rows)
        kinds: dict[str, Any] = {"KIND": call.form.kind, "HAS_SCALE": call.has_scale}
        launch = kept(
            (call.key, placed(saved, grad_N, unit)), prepare_kernel, (parts_of(call.rows, 128),),
            lambda: kinds | {"HAS_UNIT": has_unit, "BLOCK_M": 128} | LIGHT,
        )  # fmt: skip
        launch(call.scale, saved, grad_N, unit, self.prepared, call.rows, *call.scaling, *call.weights)
        more = {"PER_ROW": call.per_row, "MULTIPLY": call.half, "BULK": call.bulk, "SPLIT": self.split}
        self.options = kinds | more | call.options(self.tile)
        self.key = (call.key, self.tile, placed(self.label))
        height, width = largest.shape
        self.memory = call.sides[0].new_empty(height * _stride(width))
        # Shape of a block -> its launch: a pass has dozens of blocks and two or three shapes.
        self.launches: dict[tuple[int, int], tuple[Tensor, Callable[[Block], Any]]] = {}

    def weights(self, block: Block) -> Tensor:
        """A block (R, C), until the next one is made."""
        call = self.call
        if block.shape not in self.launches:
            self.launches[block.shape] = self._launch(*block.shape)
        weight_RC, launch = self.launches[block.shape]
        if not call.half:
            torch.mm(call.sides[0][block.begin : block.end], call.sides[1][block.start : block.last].T, out=weight_RC)
        launch(block)
        return weight_RC

    def _launch(self, height: int, width: int) -> tuple[Tensor, Callable[[Block], Any]]:
        """Memory of a block, and what fills it."""
        call, tile = self.call, self.tile
        stride = _stride(width)
        weight_RC = self.memory[: height * stride].view(height, stride)[:, :width]
        owners, columns = parts_of(height, tile.block_m), tile.block_n
        if call.half:
            columns *= parts_of(parts_of(width, parts_of(PROGRAMS, owners)), tile.block_n)
        out = described(weight_RC, tile.block_m, tile.block_n // self.split) if call.bulk else weight_RC
        key = (self.key, height, width)
        launch = kept(key, weigh_kernel, (owners, parts_of(width, columns)), lambda: self.options)
        first = (*self.sides, weight_RC, out, self.label, call.scale, self.prepared)
        last = (call.rows, call.width, columns, stride, call.scaling[0])
        # Blocks of one shape agree in which of their four numbers are multiples of 16, as `repeated` asks. What is
        # returned holds on to nothing that holds on to it: the memory is free as soon as the pass is over.
        return weight_RC, lambda block: launch(*first, *block, *last)


def _stride(width: int) -> int:
    return parts_of(width, ALIGNED) * ALIGNED


def _multiply(out: Tensor, left: Tensor, right: Tensor, add: bool) -> None:
    """A matrix product in float32, or what is there and the product."""
    if left.dtype == torch.float32 or not left.is_cuda:
        torch.addmm(out, left.float(), right.float(), beta=int(add), out=out)
    else:
        torch.ops.aten.addmm.dtype_out(out, left, right, torch.float32, beta=int(add), out=out)
