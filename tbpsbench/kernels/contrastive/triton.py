"""Launches of the Triton kernels: what runs on a GPU.

A small batch takes one launch forward and one backward. Beyond it, in half precision, a fused kernel streams
statistics (`triton_passes`), and the backward pass goes block by block (`triton_blocks`). In float32 the similarities
of a strip of rows are a product of the vendor's library in both passes, as nothing fused comes near it.

Shapes: N pairs, D width.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ..launching import LIGHT, kept, on_device_of, parts_of, placed
from . import triton_passes as passes
from .form import SAVED, Form
from .tiles import Tile, gradient_tile, statistics_tile
from .triton_blocks import Sizes, gradients
from .triton_call import Call
from .triton_gradient import gradient_kernel
from .triton_statistics import finish_kernel, statistics_kernel

# Constexpr arguments of the forward kernel that does all of a small batch.
SMALL = {"ROLE": 2, "PAIRED": False, "PER_ROW": False, "BULK": False, "SPLIT": 1, "FLAT": False}


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
    call = Call(anchor_ND, positive_ND, label_N, scale, form, alpha is not None)
    rows = call.rows
    value_N, saved, slope = call.room(rows), call.room(2, SAVED, rows), call.room(2, rows)
    share = value_N if alpha is None else alpha
    with on_device_of(call.label):
        if call.small:
            few = tile or statistics_tile(form.kind, call.half, call.width, rows)
            grid, key = (parts_of(rows, few.block_m),), (call.key, share.dtype, placed(share), few)
            launch = kept(key, statistics_kernel, grid, lambda: call.kinds | SMALL | call.options(few))
            launch(
                *call.sides, call.label, call.scale, share, value_N, value_N, value_N, saved, slope, 0, rows,
                call.width, rows, *call.scaling, *call.settings,
            )  # fmt: skip
            return value_N, saved, slope, call.room(0)
        identity_N, count_N = call.identities() if call.half else (call.room(0), value_N)
        if call.half:
            of = (form.kind, True, call.width, rows, call.bulk, call.capability(), form.slopes)
            tile = tile or statistics_tile(*of)
            found = passes.of_tiles(call, identity_N, tile)
        else:
            found = passes.of_strips(call)
        parts = (found.part.shape[0], found.across.shape[0])
        counted = (1 + call.paired) * call.half
        launch = kept(
            (call.key, parts, counted, share.dtype, placed(*found, count_N, share)), finish_kernel,
            (parts_of(rows, 128),), lambda: call.kinds | {"COUNTED": counted, "BLOCK_M": 128} | LIGHT,
        )  # fmt: skip
        launch(*found, count_N, call.scale, share, value_N, saved, slope, *parts, rows, *call.scaling, *call.settings)
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
        kinds = {"KIND": form.kind, "HAS_SCALE": call.has_scale, "HAS_UNIT": has_unit, "BLOCK_D": tile.block_d}
        given = (saved, grad_N, unit, *grads)
        key = (call.key, needed, tile, placed(*given))
        launch = kept(key, gradient_kernel, grid, lambda: kinds | call.options(tile))
        launch(
            *call.sides, call.label, call.scale, *given, call.rows, call.width, *call.scaling, *call.weights,
            int(not needed[0]),
        )  # fmt: skip
    return grads[0], grads[1]
