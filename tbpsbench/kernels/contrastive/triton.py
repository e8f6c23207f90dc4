"""Launches of the Triton kernels: what runs on a GPU.

bfloat16 and float16 up to 512 wide: fused kernels; float32 and wider features: chunks of rows that the vendor's matrix
product makes, each turned in place by one kernel. A small batch takes one launch forward and one backward in any type.

Shapes: N pairs, D width, C rows of a chunk.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext

import torch
import triton
from torch import Tensor

from ..dispatch import KernelError, interpreting
from .form import SAVED, STATES, Form
from .tiles import FUSED_WIDTH, PROGRAMS, SMALL_ROWS, Tile, gradient_tile, statistics_tile
from .triton_chunks import chunk_statistics_kernel, weigh_kernel
from .triton_gradient import gradient_kernel
from .triton_statistics import finish_kernel, statistics_kernel

# Bytes of a chunk of similarities in float32: it stays in the second-level cache.
CHUNK_BYTES = 64 << 20
FEWEST_ROWS = 128
# Columns are told apart as float32 numbers.
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
) -> tuple[Tensor, Tensor, Tensor]:
    """Losses (N,), what the backward pass needs (2, 4, N), and the slopes by the scale (2, N), in float32.

    Args:
        tile: of the fused kernel, which then runs whatever the table says.

    Raises:
        KernelError: for more than 2^24 pairs.
    """
    call = _Call(anchor_ND, positive_ND, label_N, scale, form)
    value_N, saved, slope = (call.room(*shape) for shape in ((call.rows,), (2, SAVED, call.rows), (2, call.rows)))
    settings = (form.row, form.column, form.eps, math.log(form.eps), form.margin)
    kinds = {"KIND": form.kind, "MOMENTS": form.moments, "ROOT": form.root, "BOTH": form.column != 0}
    kinds |= {"HAS_SCALE": scale is not None, "HAS_ALPHA": alpha is not None}
    share = value_N if alpha is None else alpha
    chosen = tile or statistics_tile(call.half, call.width, call.rows)
    with call.device():
        if tile is None and not call.fused:
            part = call.room(1, 2, STATES, call.rows)
            _stream_chunks(call, part)
        else:
            blocks = triton.cdiv(call.rows, chosen.block_m)
            parts = min(triton.cdiv(PROGRAMS, blocks), triton.cdiv(call.rows, chosen.block_n))
            columns = triton.cdiv(triton.cdiv(call.rows, parts), chosen.block_n) * chosen.block_n
            parts = triton.cdiv(call.rows, columns)
            alone = call.rows <= SMALL_ROWS
            part = value_N if alone else call.room(parts, 2, STATES, call.rows)
            for role in (2,) if alone else range(1 + kinds["BOTH"]):
                statistics_kernel[(blocks, 1 if alone else parts)](
                    *call.sides, call.label, call.scale, share, part, value_N, saved, slope, call.rows, call.width,
                    columns, *call.scaling, *settings, SLOPES=form.slopes, ROLE=role, **kinds,
                    BLOCK_M=chosen.block_m, BLOCK_N=chosen.block_n, BLOCK_K=chosen.block_k,
                    WHOLE=chosen.block_k >= call.width, **call.options(chosen),
                )
            if alone:
                return value_N, saved, slope
        finish_kernel[(triton.cdiv(call.rows, 128),)](
            part, call.scale, share, value_N, saved, slope, len(part), call.rows, *call.scaling, *settings, **kinds,
            BLOCK_M=128, num_warps=4, num_stages=2, enable_fp_fusion=True,
        )
    return value_N, saved, slope


def gradient(
    grad_N: Tensor,
    anchor_ND: Tensor,
    positive_ND: Tensor,
    label_N: Tensor,
    scale: Tensor | None,
    saved: Tensor,
    form: Form,
    needed: tuple[bool, bool] = (True, True),
    tile: Tile | None = None,
) -> tuple[Tensor, Tensor]:
    """Gradients of both sides, (N, D) each, in their types; empty (0) for a side that is not needed.

    Args:
        grad_N: of the losses.
        saved: (2, 4, N) of `statistics`.
        tile: of the fused kernel, which then runs whatever the table says.
    """
    call = _Call(anchor_ND, positive_ND, label_N, scale, form)
    grad_N, saved = grad_N.float().contiguous(), saved.contiguous()
    unit = grad_N
    if anchor_ND.dtype == torch.float16:
        # Gradients of a mean over many pairs are too small for float16; they are taken relative to the largest.
        largest = form.factor * (1 if scale is None or form.hinged else scale.abs().amax().float())
        unit = (grad_N.abs().amax() * (1 if form.hinged else largest)).clamp(min=TINY)
    chosen = tile or gradient_tile(call.half, call.width, call.rows)
    with call.device():
        grads = [torch.empty_like(x_ND) if need else x_ND.new_empty(0) for x_ND, need in zip(call.sides, needed, strict=True)]
        kinds = {"KIND": form.kind, "HAS_SCALE": scale is not None, "HAS_UNIT": anchor_ND.dtype == torch.float16}
        if tile is None and not call.fused:
            _weigh_chunks(call, grad_N, saved, unit, grads, needed, kinds)
        else:
            owned = chosen.block_d or chosen.block_k
            blocks = (triton.cdiv(call.rows, chosen.block_m), triton.cdiv(call.width, owned))
            together = all(needed) and 2 * math.prod(blocks) <= PROGRAMS
            for role in (2,) if together else [role for role in (0, 1) if needed[role]]:
                gradient_kernel[(*blocks, 2 if together else 1)](
                    *call.sides, call.label, call.scale, saved, grad_N, unit, *grads, call.rows, call.width,
                    *call.scaling, form.row, form.column, ROLE=role, **kinds,
                    BLOCK_M=chosen.block_m, BLOCK_N=chosen.block_n, BLOCK_K=chosen.block_k, BLOCK_D=owned,
                    WHOLE=owned == chosen.block_k >= call.width, **call.options(chosen),
                )
    return grads[0], grads[1]


class _Call:
    """What all launches of a call share."""

    def __init__(self, anchor_ND: Tensor, positive_ND: Tensor, label_N: Tensor, scale: Tensor | None, form: Form) -> None:
        self.rows, self.width = anchor_ND.shape
        if self.rows >= MOST_ROWS:
            raise KernelError(f"{self.rows} pairs: a batch may have {MOST_ROWS}")
        self.sides, self.label = (anchor_ND.contiguous(), positive_ND.contiguous()), label_N.contiguous()
        self.form, self.half = form, anchor_ND.dtype != torch.float32
        self.fused = self.rows <= SMALL_ROWS or (self.half and self.width <= FUSED_WIDTH)
        self.has_scale = scale is not None
        self.scale = anchor_ND if scale is None else scale
        strides = scale.stride() if scale is not None and scale.dim() == 2 else (0, 0)
        self.scaling = (form.factor, *strides)

    def room(self, *shape: int) -> Tensor:
        """Memory for float32 numbers."""
        return torch.empty(shape, dtype=torch.float32, device=self.label.device)

    def device(self) -> AbstractContextManager[None]:
        """Launch where the tensors are, whichever device is current."""
        return torch.cuda.device_of(self.label) if self.label.is_cuda else nullcontext()  # type: ignore[return-value]

    def options(self, tile: Tile) -> dict[str, int | bool | str]:
        """Of a fused launch."""
        asked = not self.half and torch.backends.cuda.matmul.allow_tf32
        return {
            "PRECISION": "tf32" if asked else "ieee",
            "UP": interpreting(),
            "num_warps": tile.warps,
            "num_stages": tile.stages,
            "enable_fp_fusion": True,
        }

    def chunks(self) -> Iterator[tuple[int, int, Tensor]]:
        """First row, the row after the last, and similarities (C, N) in float32, which the next overwrite."""
        height = min(self.rows, max(FEWEST_ROWS, CHUNK_BYTES // (4 * self.rows)))
        room = self.room(height, self.rows)
        for begin in range(0, self.rows, height):
            end = min(begin + height, self.rows)
            own, other = self.sides[0][begin:end], self.sides[1].T
            if not self.half:
                yield begin, end, torch.mm(own, other, out=room[: end - begin])
            elif own.is_cuda:
                yield begin, end, torch.mm(own, other, out_dtype=torch.float32)
            else:
                yield begin, end, torch.mm(own.float(), other.float(), out=room[: end - begin])


def _stream_chunks(call: _Call, part: Tensor) -> None:
    """The statistics (1, 2, 7, N) of rows and columns, chunk by chunk."""
    form = call.form
    for begin, end, s_CN in call.chunks():
        for role in range(1 + (form.column != 0)):
            owned = Tile(4, 512, 0, 4, 2) if role == 0 else Tile(64, 32, 0, 4, 2)
            blocks = triton.cdiv(call.rows if role else end - begin, owned.block_m)
            chunk_statistics_kernel[(blocks,)](
                s_CN, call.label, call.scale, part, begin, end, call.rows, *call.scaling,
                KIND=form.kind, MOMENTS=form.moments, SLOPES=form.slopes, HAS_SCALE=call.has_scale, ROLE=role,
                BLOCK_M=owned.block_m, BLOCK_N=owned.block_n,
                num_warps=owned.warps, num_stages=owned.stages, enable_fp_fusion=True,
            )


def _weigh_chunks(
    call: _Call,
    grad_N: Tensor,
    saved: Tensor,
    unit: Tensor,
    grads: list[Tensor],
    needed: tuple[bool, bool],
    kinds: dict[str, bool | str],
) -> None:
    """The gradients, chunk by chunk."""
    total_ND = torch.zeros_like(call.sides[1], dtype=torch.float32) if needed[1] else None
    for begin, end, s_CN in call.chunks():
        weight_CN = torch.empty_like(s_CN, dtype=call.sides[0].dtype) if call.half else s_CN
        grid = (triton.cdiv(call.rows, 256), triton.cdiv(end - begin, 8))
        weigh_kernel[grid](
            s_CN, weight_CN, call.label, call.scale, saved, grad_N, unit, begin, end, call.rows, *call.scaling,
            call.form.row, call.form.column, **kinds, BLOCK_M=8, BLOCK_N=256,
            num_warps=4, num_stages=2, enable_fp_fusion=True,
        )
        if needed[0]:
            torch.mm(weight_CN, call.sides[1], out=grads[0][begin:end])
        if total_ND is not None:
            _add_product(total_ND, weight_CN.T, call.sides[0][begin:end])
    one = unit.to(torch.float32) if kinds["HAS_UNIT"] else 1
    if needed[0] and kinds["HAS_UNIT"]:
        grads[0] *= one
    if total_ND is not None:
        grads[1].copy_(total_ND * one)


def _add_product(total_ND: Tensor, left: Tensor, right: Tensor) -> None:
    """Add a matrix product to a sum in float32."""
    if left.dtype == torch.float32:
        total_ND.addmm_(left, right)
    elif left.is_cuda:
        total_ND += torch.mm(left, right, out_dtype=torch.float32)
    else:
        total_ND.addmm_(left.float(), right.float())
