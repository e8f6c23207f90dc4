"""The forward pass beyond small batches: statistics of both directions, from similarities that nobody stores.

In half precision a kernel multiplies a tile and takes it in. Either it does so once for each direction, or once for
both. In float32 the vendor's library multiplies a strip of rows, which is read once for each direction.

Shapes: N pairs, C rows of a strip, P parts of the columns, Q blocks of rows.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor

from ..launching import parts_of, repeated
from . import tiles
from .form import STATES
from .tiles import PROGRAMS, STRIP_COLUMNS, STRIP_ROWS, Tile, split_of_statistics
from .triton_blocks import strips
from .triton_call import Call
from .triton_statistics import band_kernel, statistics_kernel
from .triton_strips import strip_statistics_kernel

# Blocks of rows whose columns' statistics are in memory at once.
BAND = 32


class Statistics(NamedTuple):
    """Of the rows, in parts of the columns (P, 7, N), and of the columns, in parts of the rows (Q, 7, N)."""

    part: Tensor
    across: Tensor


def two_passes(call: Call, label_N: Tensor, tile: Tile) -> Statistics:
    """A pass over all similarities for each direction."""
    owners = parts_of(call.rows, tile.block_m)
    columns = parts_of(parts_of(call.rows, parts_of(PROGRAMS, owners)), tile.block_n) * tile.block_n
    parts = parts_of(call.rows, columns)
    found = [call.room(parts, STATES, call.rows) for _ in range(2 if call.both else 1)]
    for role, part in enumerate(found):
        statistics_kernel[(owners, parts)](
            *_arguments(call, label_N, tile, part, part), 0, *_sizes(call, columns), **_options(call, tile, role)
        )
    return Statistics(found[0], found[-1])


def one_pass(call: Call, label_N: Tensor, tile: Tile) -> Statistics:
    """One pass for both directions, a band of rows after the other; a band's columns are added to those before it."""
    rows, all_owners = call.rows, parts_of(call.rows, tile.block_m)
    bands = parts_of(all_owners, BAND)
    owners = parts_of(all_owners, bands)
    columns = parts_of(parts_of(rows, max(1, PROGRAMS // owners)), tile.block_n) * tile.block_n
    parts = parts_of(rows, columns)
    part, across = call.room(parts, STATES, rows), call.room(owners, STATES, rows)
    total = across if bands == 1 else call.room(1, STATES, rows)
    given, sizes = _arguments(call, label_N, tile, part, across), _sizes(call, columns)
    options = _options(call, tile, 3)
    launch = repeated(statistics_kernel, (owners, parts), **options)
    kinds = {name: options[name] for name in ("KIND", "MOMENTS", "SLOPES")} | {"COUNTED": 1 + options["PAIRED"]}
    for first in range(0, all_owners, owners):
        blocks = min(owners, all_owners - first)
        if blocks == owners:
            launch(*given, first * tile.block_m, *sizes)
        else:
            statistics_kernel[(blocks, parts)](*given, first * tile.block_m, *sizes, **options)
        if bands > 1:
            band_kernel[(parts_of(rows, 64),)](
                across, total, blocks, rows, **kinds, FIRST=first == 0, BLOCK_N=64, num_warps=2, num_stages=3,
                enable_fp_fusion=True,
            )  # fmt: skip
    return Statistics(part, total)


def _arguments(call: Call, label_N: Tensor, tile: Tile, part: Tensor, across: Tensor) -> tuple[Any, ...]:
    """Of a launch that makes no losses."""
    nothing = part
    return (*call.boxes(tile), label_N, call.scale, nothing, part, across, nothing, nothing, nothing)


def _sizes(call: Call, columns: int) -> tuple[Any, ...]:
    return (call.rows, call.width, columns, *call.scaling, *call.settings)


def _options(call: Call, tile: Tile, role: int) -> dict[str, Any]:
    kinds = call.kinds | {"ROLE": role, "PAIRED": call.paired, "PER_ROW": call.per_row, "BULK": call.bulk}
    split = split_of_statistics(call.form.kind, call.bulk, call.capability(), call.form.slopes, role == 3)
    return kinds | {"SPLIT": split, "FLAT": call.bulk and tiles.PLAN.flat} | call.options(tile)


def of_strips(call: Call) -> Statistics:
    """In float32."""
    form, room, parts = call.form, None, call.room(2, 1, STATES, call.rows)
    for begin, end in strips(call.rows):
        room = call.room(end - begin, call.rows) if room is None else room
        s_CN = torch.mm(call.sides[0][begin:end], call.sides[1].T, out=room[: end - begin])
        for role in range(1 + call.both):
            owned = STRIP_COLUMNS if role else STRIP_ROWS
            strip_statistics_kernel[(parts_of(call.rows if role else end - begin, owned.block_m),)](
                s_CN, call.label, call.scale, parts, begin, end, call.rows, *call.scaling, KIND=form.kind,
                MOMENTS=form.moments, SLOPES=form.slopes, HAS_SCALE=call.has_scale, ROLE=role, BLOCK_M=owned.block_m,
                BLOCK_N=owned.block_n, num_warps=owned.warps, num_stages=owned.stages, enable_fp_fusion=True,
            )  # fmt: skip
    return Statistics(*parts)
