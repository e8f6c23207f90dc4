"""Launches of the Triton kernels: what runs on a GPU.

A small batch takes one launch forward and one backward. Beyond it, in half precision, one fused kernel for each
direction streams statistics, and the backward pass goes block by block (`triton_blocks`). In float32 the similarities
of a strip of rows are a product of the vendor's library in both passes, as nothing fused comes near it.

Shapes: N pairs, D width, C rows of a strip.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from ..launching import on_device_of, parts_of
from .form import SAVED, STATES, Form
from .tiles import PROGRAMS, STRIP_COLUMNS, STRIP_ROWS, Tile, gradient_tile, quartered, statistics_tile
from .triton_blocks import Sizes, gradients, strips
from .triton_call import Call
from .triton_gradient import gradient_kernel
from .triton_statistics import finish_kernel, statistics_kernel
from .triton_strips import strip_statistics_kernel


def statistics(
    anchor_ND: Tensor,
    positive_ND: Tensor,
    label_N: Tensor,
    scale: Tensor | None,
    alpha: Tensor | None,
    form: Form,
    tile: Tile | None = None,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Losses (N,), what the backward pass needs (2, 4, N), slopes by the scale (2, N), identities; in float32.

    Args:
        tile: of the fused kernel, instead of the table's; as many columns as rows where it takes descriptors.

    Returns:
        The identities, (N,) or (0,) as `tiles.identities` says, are for the backward pass, too.

    Raises:
        KernelError: for 2^24 pairs or more.
    """
    call = Call(anchor_ND, positive_ND, label_N, scale, form)
    rows, both = call.rows, form.column != 0
    value_N, saved, slope = call.room(rows), call.room(2, SAVED, rows), call.room(2, rows)
    settings = (form.row, form.column, form.eps, math.log(form.eps), form.margin)
    kinds: dict[str, Any] = {"KIND": form.kind, "MOMENTS": form.moments, "ROOT": form.root, "BOTH": both}
    kinds |= {"HAS_SCALE": call.has_scale, "HAS_ALPHA": alpha is not None}
    share = value_N if alpha is None else alpha
    with on_device_of(call.label):
        identity_N, count_N = call.identities() if call.half and not call.small else (call.room(0), value_N)
        label = identity_N if len(identity_N) else call.label
        if call.half or call.small:
            paired = form.kind == "entropy" and form.distinct and not call.small
            of = (form.kind, call.half, call.width, rows, call.bulk, call.capability(), form.slopes)
            tile = tile or statistics_tile(*of)
            blocks = parts_of(rows, tile.block_m)
            columns = parts_of(parts_of(rows, parts_of(PROGRAMS, blocks)), tile.block_n) * tile.block_n
            parts = 1 if call.small else parts_of(rows, columns)
            part = value_N if call.small else call.room(parts, 2, STATES, rows)
            sides = call.boxes(tile)
            for role in (2,) if call.small else range(1 + both):
                statistics_kernel[(blocks, parts)](
                    *sides, label, call.scale, share, part, value_N, saved, slope, rows, call.width, columns,
                    *call.scaling, *settings, SLOPES=form.slopes, ROLE=role, PAIRED=paired, BULK=call.bulk,
                    QUARTERED=quartered(form.kind, form.slopes, call.bulk), **kinds, **call.options(tile),
                )  # fmt: skip
            if call.small:
                return value_N, saved, slope, identity_N
        else:
            parts, part = 1, call.room(1, 2, STATES, rows)
            _stream_strips(call, part)
        finish_kernel[(parts_of(rows, 128),)](
            part, count_N, call.scale, share, value_N, saved, slope, parts, rows, *call.scaling, *settings, **kinds,
            COUNTED=call.half, BLOCK_M=128, num_warps=4, num_stages=2, enable_fp_fusion=True,
        )  # fmt: skip
    return value_N, saved, slope, identity_N


def gradient(
    grad_N: Tensor,
    anchor_ND: Tensor,
    positive_ND: Tensor,
    label_N: Tensor,
    scale: Tensor | None,
    saved: Tensor,
    identity: Tensor,
    form: Form,
    needed: tuple[bool, bool] = (True, True),
    tile: Tile | None = None,
    sizes: Sizes | None = None,
) -> tuple[Tensor, Tensor]:
    """Gradients of both sides, (N, D) each, in their types; empty (0) for a side that is not needed.

    Args:
        grad_N: of the losses.
        saved, identity: (2, 4, N), (N,) or (0,), of `statistics`.
        tile: of the fused kernel, instead of the table's; as many columns as rows where it takes descriptors.
        sizes: of blocks, instead of the usual ones.
    """
    call = Call(anchor_ND, positive_ND, label_N, scale, form)
    grad_N, saved = grad_N.float().contiguous(), saved.contiguous()
    with on_device_of(call.label):
        if not call.small:
            return gradients(call, grad_N, saved, identity, needed, tile, sizes)
        has_unit = anchor_ND.dtype == torch.float16
        unit = call.unit(grad_N) if has_unit else grad_N
        grads = [
            torch.empty_like(side_ND) if need else side_ND.new_empty(0)
            for side_ND, need in zip(call.sides, needed, strict=True)
        ]
        tile = tile or gradient_tile(call.half, call.width, call.rows)
        grid = (parts_of(call.rows, tile.block_m), parts_of(call.width, tile.block_d), sum(needed))
        gradient_kernel[grid](
            *call.sides, call.label, call.scale, saved, grad_N, unit, *grads, call.rows, call.width, *call.scaling,
            form.row, form.column, int(not needed[0]), KIND=form.kind, HAS_SCALE=call.has_scale, HAS_UNIT=has_unit,
            BLOCK_D=tile.block_d, **call.options(tile),
        )  # fmt: skip
    return grads[0], grads[1]


def _stream_strips(call: Call, part: Tensor) -> None:
    """The statistics (1, 2, 7, N) of rows and columns in float32."""
    form, room = call.form, None
    for begin, end in strips(call.rows):
        room = call.room(end - begin, call.rows) if room is None else room
        s_CN = torch.mm(call.sides[0][begin:end], call.sides[1].T, out=room[: end - begin])
        for role in range(1 + (form.column != 0)):
            owned = STRIP_COLUMNS if role else STRIP_ROWS
            strip_statistics_kernel[(parts_of(call.rows if role else end - begin, owned.block_m),)](
                s_CN, call.label, call.scale, part, begin, end, call.rows, *call.scaling, KIND=form.kind,
                MOMENTS=form.moments, SLOPES=form.slopes, HAS_SCALE=call.has_scale, ROLE=role, BLOCK_M=owned.block_m,
                BLOCK_N=owned.block_n, num_warps=owned.warps, num_stages=owned.stages, enable_fp_fusion=True,
            )  # fmt: skip
