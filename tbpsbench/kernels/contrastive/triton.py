"""Launches of the Triton kernels: what runs on a GPU.

A small batch takes one launch forward and one backward. Beyond it, in half precision, one fused kernel for each
direction streams statistics, and the backward pass goes strip by strip: one fused kernel makes the gradient by the
similarities of some rows, two matrix products take it up. In float32 the similarities of a strip are a product of the
vendor's library in both passes, as nothing fused comes near it.

Shapes: N pairs, D width, C rows of a strip.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from ..dispatch import KernelError, interpreting
from ..launching import on_device_of, parts_of
from .form import SAVED, STATES, Form
from .tiles import (
    COMPARED_ROWS,
    PROGRAMS,
    SMALL_ROWS,
    STRIP_COLUMNS,
    STRIP_ROWS,
    STRIP_WEIGHTS,
    Tile,
    gradient_tile,
    statistics_tile,
)
from .triton_gradient import gradient_kernel
from .triton_statistics import finish_kernel, identities_kernel, statistics_kernel
from .triton_strips import strip_statistics_kernel, weigh_kernel

# Bytes of a strip.
STRIP_BYTES = 64 << 20
FEWEST_ROWS = 128
# Rows are told apart as float32 numbers.
MOST_ROWS = 1 << 24
# Stands for no gradient at all where float16 is scaled by the largest one.
TINY = 1e-30


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
        tile: of the fused kernel, instead of the table's.

    Returns:
        The identities, (N,) or (0,) as `tiles.identities` says, are for the backward pass, too.

    Raises:
        KernelError: for 2^24 pairs or more.
    """
    call = _Call(anchor_ND, positive_ND, label_N, scale, form)
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
            tile = tile or statistics_tile(form.kind, call.half, call.width, rows, call.capability(), paired)
            blocks = parts_of(rows, tile.block_m)
            columns = parts_of(parts_of(rows, parts_of(PROGRAMS, blocks)), tile.block_n) * tile.block_n
            parts = 1 if call.small else parts_of(rows, columns)
            part = value_N if call.small else call.room(parts, 2, STATES, rows)
            for role in (2,) if call.small else range(1 + both):
                statistics_kernel[(blocks, parts)](
                    *call.sides, label, call.scale, share, part, value_N, saved, slope, rows, call.width, columns,
                    *call.scaling, *settings, SLOPES=form.slopes, ROLE=role, PAIRED=paired, **kinds,
                    **call.options(tile),
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
) -> tuple[Tensor, Tensor]:
    """Gradients of both sides, (N, D) each, in their types; empty (0) for a side that is not needed.

    Args:
        grad_N: of the losses.
        saved, identity: (2, 4, N), (N,) or (0,), of `statistics`.
        tile: of the fused kernel, instead of the table's.
    """
    call = _Call(anchor_ND, positive_ND, label_N, scale, form)
    grad_N, saved = grad_N.float().contiguous(), saved.contiguous()
    kinds: dict[str, Any] = {"KIND": form.kind, "HAS_SCALE": call.has_scale}
    kinds |= {"HAS_UNIT": anchor_ND.dtype == torch.float16}
    with on_device_of(call.label):
        unit = call.unit(grad_N) if kinds["HAS_UNIT"] else grad_N
        if not call.small:
            return _weigh_strips(call, grad_N, saved, identity, unit, needed, kinds, tile)
        grads = [
            torch.empty_like(side_ND) if need else side_ND.new_empty(0)
            for side_ND, need in zip(call.sides, needed, strict=True)
        ]
        tile = tile or gradient_tile(call.half, call.width, call.rows)
        grid = (parts_of(call.rows, tile.block_m), parts_of(call.width, tile.block_d), sum(needed))
        gradient_kernel[grid](
            *call.sides, call.label, call.scale, saved, grad_N, unit, *grads, call.rows, call.width, *call.scaling,
            form.row, form.column, int(not needed[0]), **kinds, BLOCK_D=tile.block_d, **call.options(tile),
        )  # fmt: skip
    return grads[0], grads[1]


class _Call:
    """What all launches of a call share."""

    def __init__(
        self, anchor_ND: Tensor, positive_ND: Tensor, label_N: Tensor, scale: Tensor | None, form: Form
    ) -> None:
        self.rows, self.width = anchor_ND.shape
        if self.rows >= MOST_ROWS:
            raise KernelError(f"{self.rows} pairs in a batch: the kernels take less than {MOST_ROWS}")
        self.sides, self.label = (anchor_ND.contiguous(), positive_ND.contiguous()), label_N.contiguous()
        self.form, self.half = form, anchor_ND.dtype != torch.float32
        self.small = self.rows <= SMALL_ROWS[self.half]
        self.has_scale = scale is not None
        self.scale = anchor_ND if scale is None else scale
        strides = scale.stride() if scale is not None and scale.dim() == 2 else (0, 0)
        self.scaling = (form.factor, *strides)

    def room(self, *shape: int) -> Tensor:
        """Memory for float32 numbers."""
        return torch.empty(shape, dtype=torch.float32, device=self.label.device)

    def capability(self) -> int:
        """Of the GPU, 90 for 9.0; the interpreter passes for one of those."""
        if not self.label.is_cuda:
            return 90
        major, minor = torch.cuda.get_device_capability(self.label.device)
        return 10 * major + minor

    def options(self, tile: Tile) -> dict[str, Any]:
        """Of the launch of a kernel that multiplies."""
        asked = not self.half and torch.backends.cuda.matmul.allow_tf32
        return {
            "BLOCK_M": tile.block_m,
            "BLOCK_N": tile.block_n,
            "BLOCK_K": tile.block_k,
            "PRECISION": "tf32" if asked else "ieee",
            "UP": interpreting(),
            "num_warps": tile.warps,
            "num_stages": tile.stages,
            "enable_fp_fusion": True,
        }

    def identities(self) -> tuple[Tensor, Tensor]:
        """Labels (N,) as numbers below N in float32, which compare faster, and how many rows have each row's (N,)."""
        if self.form.distinct:
            return self.label.float(), torch.ones_like(self.label, dtype=torch.float32)
        if self.rows <= COMPARED_ROWS:
            identity_N, count_N = self.room(self.rows), self.room(self.rows)
            identities_kernel[(parts_of(self.rows, 64),)](
                self.label, identity_N, count_N, self.rows, BLOCK_M=64, BLOCK_N=64, num_warps=4, num_stages=2
            )
            return identity_N, count_N
        sorted_N = self.label.sort().values
        first_N = torch.searchsorted(sorted_N, self.label)
        identity_N = first_N.float()
        count_N = torch.searchsorted(sorted_N, self.label, right=True).sub_(first_N).float()
        return identity_N, count_N

    def unit(self, grad_N: Tensor) -> Tensor:
        """What float16 gradients are relative to: those of a mean over many pairs are too small for it."""
        largest = grad_N.abs().amax()
        if not self.form.hinged:
            largest = largest * self.form.factor
            largest = largest * self.scale.abs().amax().float() if self.has_scale else largest
        return largest.clamp(min=TINY)

    def strips(self) -> Iterator[tuple[int, int]]:
        """First row of each strip and the row after its last."""
        size = 2 if self.half else 4
        height = min(self.rows, max(FEWEST_ROWS, STRIP_BYTES // (size * self.rows) // FEWEST_ROWS * FEWEST_ROWS))
        for begin in range(0, self.rows, height):
            yield begin, min(begin + height, self.rows)


def _stream_strips(call: _Call, part: Tensor) -> None:
    """The statistics (1, 2, 7, N) of rows and columns in float32."""
    form, room = call.form, None
    for begin, end in call.strips():
        room = call.room(end - begin, call.rows) if room is None else room
        s_CN = torch.mm(call.sides[0][begin:end], call.sides[1].T, out=room[: end - begin])
        for role in range(1 + (form.column != 0)):
            owned = STRIP_COLUMNS if role else STRIP_ROWS
            strip_statistics_kernel[(parts_of(call.rows if role else end - begin, owned.block_m),)](
                s_CN, call.label, call.scale, part, begin, end, call.rows, *call.scaling, KIND=form.kind,
                MOMENTS=form.moments, SLOPES=form.slopes, HAS_SCALE=call.has_scale, ROLE=role, BLOCK_M=owned.block_m,
                BLOCK_N=owned.block_n, num_warps=owned.warps, num_stages=owned.stages, enable_fp_fusion=True,
            )  # fmt: skip


def _weigh_strips(
    call: _Call,
    grad_N: Tensor,
    saved: Tensor,
    identity_N: Tensor,
    unit: Tensor,
    needed: tuple[bool, bool],
    kinds: dict[str, Any],
    tile: Tile | None,
) -> tuple[Tensor, Tensor]:
    """The gradients. Nothing but one of them, the sum for the other and a strip is in memory at once."""
    label, dtype = identity_N if call.half else call.label, call.sides[0].dtype
    tile = (tile or gradient_tile(True, call.width, call.rows, call.capability())) if call.half else STRIP_WEIGHTS
    first_ND = torch.empty_like(call.sides[0]) if needed[0] else call.sides[0].new_empty(0)
    total_ND = torch.zeros_like(call.sides[1], dtype=torch.float32) if needed[1] else None
    room = weight_CN = None
    for begin, end in call.strips():
        room = call.sides[0].new_empty(end - begin, call.rows) if room is None else room
        weight_CN = room[: end - begin]
        if not call.half:
            torch.mm(call.sides[0][begin:end], call.sides[1].T, out=weight_CN)
        weigh_kernel[(parts_of(end - begin, tile.block_m), parts_of(call.rows, tile.block_n))](
            *call.sides, weight_CN, weight_CN, label, call.scale, saved, grad_N, unit, begin, end, call.rows,
            call.width, *call.scaling, call.form.row, call.form.column, **kinds, MULTIPLY=call.half,
            **call.options(tile),
        )  # fmt: skip
        if needed[0]:
            torch.mm(weight_CN, call.sides[1], out=first_ND[begin:end])
        if total_ND is not None:
            _add_product(total_ND, weight_CN.T, call.sides[0][begin:end])
    # The strip makes room for the second gradient.
    del room, weight_CN
    if needed[0] and kinds["HAS_UNIT"]:
        first_ND *= unit
    if total_ND is None:
        return first_ND, call.sides[1].new_empty(0)
    return first_ND, (total_ND.mul_(unit) if kinds["HAS_UNIT"] else total_ND).to(dtype)


def _add_product(total_ND: Tensor, left: Tensor, right: Tensor) -> None:
    """Add a matrix product to a sum in float32."""
    if left.dtype == torch.float32:
        total_ND.addmm_(left, right)
    elif left.is_cuda:
        torch.ops.aten.addmm.dtype_out(total_ND, left, right, torch.float32, out=total_ND)
    else:
        total_ND.addmm_(left.float(), right.float())
