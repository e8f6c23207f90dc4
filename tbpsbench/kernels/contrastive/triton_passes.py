"""The forward pass beyond small batches: statistics of both directions, from similarities that nobody stores.

In half precision a kernel multiplies a tile and takes it in. Either it does so once for each direction, or once for
both. In float32 the vendor's library multiplies a strip of rows, which is read once for each direction.

Shapes: N pairs, C rows of a strip, P parts of the columns, Q blocks of rows.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ..launching import alike, kept, parts_of, placed
from .form import STATES
from .tiles import PROGRAMS, STRIP_COLUMNS, STRIP_ROWS, Tile, Way, way_of_statistics
from .triton_blocks import strips
from .triton_call import Call
from .triton_statistics import band_kernel, statistics_kernel
from .triton_strips import strip_statistics_kernel

# Bytes of the statistics of columns over blocks of rows that are in memory at once.
BAND_BYTES = 64 << 20


class Statistics(NamedTuple):
    """Of the rows, in parts of the columns (P, 7, N), and of the columns, in parts of the rows (Q, 7, N)."""

    part: Tensor
    across: Tensor


def of_tiles(call: Call, label_N: Tensor, tile: Tile) -> Statistics:
    """In half precision."""
    form = call.form
    more = form.moments or form.slopes
    way = way_of_statistics(form.kind, call.bulk, call.capability(), more, call.paired, call.both)
    return (_one_pass if way.one_pass and call.both else _two_passes)(call, label_N, tile, way)


def _two_passes(call: Call, label_N: Tensor, tile: Tile, way: Way) -> Statistics:
    """A pass over all similarities for each direction."""
    owners = parts_of(call.rows, tile.block_m)
    columns = parts_of(parts_of(call.rows, parts_of(PROGRAMS, owners)), tile.block_n) * tile.block_n
    parts = parts_of(call.rows, columns)
    found = [call.room(parts, STATES, call.rows) for _ in range(2 if call.both else 1)]
    boxes = call.boxes(tile)
    for role, part in enumerate(found):
        launch = _launch(call, label_N, tile, way, role, (owners, parts))
        launch(*_arguments(call, boxes, label_N, part, part), 0, *_sizes(call, columns))
    return Statistics(found[0], found[-1])


def _one_pass(call: Call, label_N: Tensor, tile: Tile, way: Way) -> Statistics:
    """One pass for both directions, a band of rows after the other; a band's columns are added to those before it."""
    rows, all_owners = call.rows, parts_of(call.rows, tile.block_m)
    bands = parts_of(all_owners, max(1, BAND_BYTES // (4 * STATES * rows)))
    owners = parts_of(all_owners, bands)
    columns = parts_of(parts_of(rows, max(1, PROGRAMS // owners)), tile.block_n) * tile.block_n
    parts = parts_of(rows, columns)
    part, across = call.room(parts, STATES, rows), call.room(owners, STATES, rows)
    total = across if bands == 1 else call.room(1, STATES, rows)
    given, sizes = _arguments(call, call.boxes(tile), label_N, part, across), _sizes(call, columns)
    for first in range(0, all_owners, owners):
        blocks = min(owners, all_owners - first)
        _launch(call, label_N, tile, way, 3, (blocks, parts))(*given, first * tile.block_m, *sizes)
        if bands > 1:
            _add_band(call, across, total, blocks, first == 0)
    return Statistics(part, total)


def _add_band(call: Call, across: Tensor, total: Tensor, blocks: int, first: bool) -> None:
    """Add the statistics of the columns over a band to those of the bands before it."""

    def options() -> dict[str, Any]:
        kinds = {name: call.kinds[name] for name in ("KIND", "MOMENTS", "SLOPES")}
        kinds |= {"COUNTED": 1 + call.paired, "FIRST": first, "BLOCK_N": 64}
        return kinds | {"num_warps": 2, "num_stages": 3, "enable_fp_fusion": True}

    launch = kept((call.key, call.paired, blocks, first), band_kernel, (parts_of(call.rows, 64),), options)
    launch(across, total, blocks, call.rows)


def _arguments(call: Call, sides: tuple[Any, ...], label_N: Tensor, part: Tensor, across: Tensor) -> tuple[Any, ...]:
    """Of a launch that makes no losses."""
    nothing = part
    return (*sides, label_N, call.scale, nothing, part, across, nothing, nothing, nothing)


def _sizes(call: Call, columns: int) -> tuple[Any, ...]:
    return (call.rows, call.width, columns, *call.scaling, *call.settings)


def _launch(call: Call, label_N: Tensor, tile: Tile, way: Way, role: int, grid: tuple[int, int]) -> Callable[..., None]:
    def options() -> dict[str, Any]:
        kinds = call.kinds | {"ROLE": role, "PAIRED": call.paired, "PER_ROW": call.per_row, "BULK": call.bulk}
        return kinds | {"SPLIT": way.split, "FLAT": way.flat} | call.options(tile)

    return kept((call.key, call.paired, role, tile, way, placed(label_N)), statistics_kernel, grid, options)


def of_strips(call: Call) -> Statistics:
    """In float32."""
    room, parts = None, call.room(2, 1, STATES, call.rows)
    for begin, end in strips(call.rows):
        room = call.room(end - begin, call.rows) if room is None else room
        s_CN = torch.mm(call.sides[0][begin:end], call.sides[1].T, out=room[: end - begin])
        for role in range(1 + call.both):
            _of_strip(call, s_CN, parts, begin, end, role)
    return Statistics(*parts)


def _of_strip(call: Call, s_CN: Tensor, parts: Tensor, begin: int, end: int, role: int) -> None:
    """A direction's statistics of a strip."""
    owned = STRIP_COLUMNS if role else STRIP_ROWS

    def options() -> dict[str, Any]:
        kinds = {name: call.kinds[name] for name in ("KIND", "MOMENTS", "SLOPES", "HAS_SCALE")}
        blocks = {"ROLE": role, "BLOCK_M": owned.block_m, "BLOCK_N": owned.block_n}
        return kinds | blocks | {"num_warps": owned.warps, "num_stages": owned.stages, "enable_fp_fusion": True}

    grid = (parts_of(call.rows if role else end - begin, owned.block_m),)
    launch = kept((call.key, alike(begin, end), role, owned), strip_statistics_kernel, grid, options)
    launch(s_CN, call.label, call.scale, parts, begin, end, call.rows, *call.scaling)
