"""Launches of the linear kernel's Triton forms for many rows, with their static table of tiles.

Shapes: N rows, D and E widths of the two sets, S = D + E.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ..dispatch import interpreting
from ..launching import LIGHT, Tile, dense_rows, kept, on_device_of, parts_of, placed, product_of
from ..triton_centring import centre
from . import torch as plain
from .terms import scale, sizes_of
from .triton_backward import backward_kernel
from .triton_width import cross_kernel, join_kernel, row_kernel, value_kernel

# One wave of programs on the largest GPUs, two on each multiprocessor; a second wave takes as long as the first.
PROGRAMS = 256
# From here on the library's products of centred bfloat16 are faster than ours that centre while they load.
LIBRARY_ROWS = 16384
SUMMED = 128
JOINED = (32, 32)
LENGTHS = (128, 64)
Gradients = tuple[Tensor | None, Tensor | None]


def cross_tile(dtype: torch.dtype) -> Tile:
    """Of C: columns of both sets, rows of one step."""
    return Tile(128, 64, 64, 4, 3) if dtype == torch.bfloat16 else Tile(128, 64, 32, 8, 3)


def backward_tile(dtype: torch.dtype) -> Tile:
    """Of the gradients: rows, columns, columns of the partner in one step."""
    return Tile(128, 128, 64, 8, 3) if dtype == torch.bfloat16 else Tile(128, 64, 32, 8, 3)


def width_forward(
    x_ND: Tensor,
    y_NE: Tensor,
    unbiased: bool,
    reduce: plain.Reduce | None = None,
    processes: int = 1,
    tile: Tile | None = None,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """HSIC of many rows, also of rows that several processes hold (`reduce` sums a tensor over them).

    Returns:
        The value; C (1, D, E), in bfloat16 where the features are; the column means (S,); unbiased, (3 + S + 2 N,): the
        sums of `torch.products`, k and l, else nothing.
    """
    x_ND, y_NE = dense_rows(x_ND), dense_rows(y_NE)
    rows = len(x_ND) * processes
    with on_device_of(x_ND):
        if reduce is not None or _library(x_ND, unbiased):
            with torch.autocast(x_ND.device.type, enabled=False):
                if reduce is not None:
                    return _joint(x_ND, y_NE, unbiased, reduce, rows, tile)
                return _by_library(x_ND, y_NE, unbiased)
        cross, means, squares, _ = _cross(x_ND, y_NE, None, tile)
        value, rest = _value(x_ND, y_NE, means, squares, unbiased)
    return value, cross, means, rest


def width_backward(
    grad: Tensor,
    x_ND: Tensor,
    y_NE: Tensor,
    cross: Tensor,
    means: Tensor,
    rest: Tensor,
    unbiased: bool,
    wanted: tuple[bool, bool],
    processes: int = 1,
    tile: Tile | None = None,
) -> Gradients:
    """Both gradients, or those that are wanted."""
    x_ND, y_NE = dense_rows(x_ND), dense_rows(y_NE)
    sizes = sizes_of(x_ND, y_NE)
    rows, width, other, *_ = sizes
    factor: Any = processes * scale(rows * processes, unbiased)
    with on_device_of(x_ND):
        if _library(x_ND, unbiased):
            x_ND, y_NE, *_ = centre(x_ND, y_NE, means)
            rest = rest[: 3 + width + other]
            with torch.autocast(x_ND.device.type, enabled=False):
                factor = 2 * factor * grad
                return plain.gradients(x_ND, y_NE, cross[0], rest, factor, rows * processes, unbiased, wanted)
        tile = tile or backward_tile(x_ND.dtype)
        outs = [z.new_empty(z.shape) if want else None for z, want in zip((x_ND, y_NE), wanted, strict=True)]
        down = parts_of(rows, tile.block_m)
        blocks = [
            down * parts_of(z.shape[1], tile.block_n) * want for z, want in zip((x_ND, y_NE), wanted, strict=True)
        ]
        given = (grad, x_ND, y_NE, means, cross, rest[3 + width + other :], rest)

        def options() -> dict[str, Any]:
            return {"UNBIASED": unbiased} | tile.blocks() | product_of(x_ND.dtype) | tile.options()

        key = (sizes, processes, x_ND.dtype, grad.dtype, cross.dtype, unbiased, wanted, tile, placed(*given))
        launch = kept(key, backward_kernel, (sum(blocks),), options)
        launch(
            *given, *(x_ND if out is None else out for out in outs), rows, rows * processes, *sizes[1:], factor,
            blocks[0],
        )  # fmt: skip
    return outs[0], outs[1]


def _library(x_ND: Tensor, unbiased: bool) -> bool:
    """Whether the library makes the products."""
    if x_ND.dtype == torch.bfloat16:
        return len(x_ND) >= LIBRARY_ROWS and not unbiased
    return x_ND.dtype == torch.float32


def _cross(
    x_ND: Tensor, y_NE: Tensor, means: Tensor | None, tile: Tile | None, dtype: torch.dtype | None = None
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """C (1, D, E) in a dtype, the means, sums of squares of its tiles; centred with `means` if they are given."""
    sizes = sizes_of(x_ND, y_NE)
    rows, width, other, *_ = sizes
    tile = tile or cross_tile(x_ND.dtype)
    tiles = parts_of(width, tile.block_m) * parts_of(other, tile.block_n)
    summing = 0 if means is not None else parts_of(width, SUMMED) + parts_of(other, SUMMED)
    parts = max(1, min(PROGRAMS // (tiles + summing), parts_of(rows, 4 * tile.block_k)))
    per_part = tile.block_k * parts_of(rows, parts * tile.block_k)
    parts = parts_of(rows, per_part)
    given = means is not None
    if means is None:
        means = x_ND.new_empty(width + other, dtype=torch.float32)
    part = x_ND.new_empty((parts, width, other), dtype=torch.float32)
    sums = x_ND.new_empty((parts, width + other), dtype=torch.float32)

    def options() -> dict[str, Any]:
        blocks = {"GIVEN": given, "BLOCK_C": SUMMED} | tile.blocks()
        return blocks | product_of(x_ND.dtype) | tile.options()

    key = (sizes, x_ND.dtype, given, tile, placed(x_ND, y_NE, means))
    kept(key, cross_kernel, (tiles + summing, parts), options)(x_ND, y_NE, means, part, sums, *sizes, per_part)
    dtype = dtype or (torch.bfloat16 if x_ND.dtype == torch.bfloat16 else torch.float32)
    cross = x_ND.new_empty((1, width, other), dtype=dtype)
    return cross, means, _join(x_ND, y_NE, part, sums, cross, means, given, store=True), sums


def _join(
    x_ND: Tensor, y_NE: Tensor, part: Tensor, sums: Tensor, cross: Tensor, means: Tensor, given: bool, store: bool
) -> Tensor:
    """Adds parts up to C and returns the sums of squares of its tiles, float64."""
    parts, width, other = part.shape
    tiles = parts_of(width, JOINED[0]) * parts_of(other, JOINED[1])
    squares, sizes = x_ND.new_empty(tiles, dtype=torch.float64), sizes_of(x_ND, y_NE)

    def options() -> dict[str, Any]:
        blocks = {"GIVEN": given, "STORE": store, "UP": interpreting(), "BLOCK_M": JOINED[0], "BLOCK_N": JOINED[1]}
        return blocks | LIGHT

    types = (x_ND.dtype, part.dtype, cross.dtype, given, store)
    launch = kept((sizes, parts, types, placed(x_ND, y_NE, part, cross, means)), join_kernel, (tiles,), options)
    launch(x_ND, y_NE, part, sums, cross, means, squares, *sizes, parts, width * other)
    return squares


def _value(x_ND: Tensor, y_NE: Tensor, means: Tensor, squares: Tensor, unbiased: bool) -> tuple[Tensor, Tensor]:
    """HSIC and what its gradient needs besides C."""
    rows, span = x_ND.shape[0], 3 + means.shape[0]
    value = x_ND.new_empty((), dtype=torch.float32)
    rest = x_ND.new_empty(span + 2 * rows if unbiased else 0, dtype=torch.float32)
    stats = _row_sums(x_ND, y_NE, means, rest[span:]) if unbiased else squares
    sizes = (squares.shape[0], stats.shape[0], span, rows)

    def options() -> dict[str, Any]:
        return {"UNBIASED": unbiased, "BLOCK": 256} | LIGHT

    key = (sizes, unbiased, squares.get_device())
    launch = kept(key, value_kernel, (parts_of(span, 256) if unbiased else 1,), options)
    launch(squares, stats, rest, value, *sizes, scale(rows, unbiased))
    return value, rest


def _row_sums(x_ND: Tensor, y_NE: Tensor, means: Tensor, lengths: Tensor) -> Tensor:
    """Sums of `row_kernel` over groups of rows (G, 3 + S); fills k and l."""
    rows, width, other = len(x_ND), x_ND.shape[1], y_NE.shape[1]
    groups = parts_of(rows, LENGTHS[0])
    stats = x_ND.new_empty((groups, 3 + width + other), dtype=torch.float32)
    sizes, product = sizes_of(x_ND, y_NE), product_of(x_ND.dtype)

    def options() -> dict[str, Any]:
        return {"BLOCK_M": LENGTHS[0], "BLOCK_K": LENGTHS[1]} | product | LIGHT

    key = (sizes, x_ND.dtype, *product.values(), placed(x_ND, y_NE, means, lengths))
    kept(key, row_kernel, (groups,), options)(x_ND, y_NE, means, lengths, stats, *sizes)
    return stats


def _by_library(x_ND: Tensor, y_NE: Tensor, unbiased: bool) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Centring and squares are ours. bfloat16 products are added up in float32 and rounded once."""
    x_c, y_c, means, lengths = centre(x_ND, y_NE)
    cross = x_c.T @ y_c
    if unbiased:
        (k_N, l_N), rows = lengths, len(x_ND)
        rest = torch.cat([torch.stack([k_N @ l_N, k_N.sum(), l_N.sum()]), l_N @ x_c, k_N @ y_c, lengths.flatten()])
        return plain.value(cross, rest, rows, unbiased).float(), cross[None], means, rest
    squares = _join(x_c, y_c, cross[None], means, cross, means, given=True, store=False)
    value, rest = _value(x_c, y_c, means, squares, unbiased)
    return value, cross[None], means, rest


def _joint(
    x_ND: Tensor, y_NE: Tensor, unbiased: bool, reduce: plain.Reduce, rows: int, tile: Tile | None
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Column sums and products travel between processes."""
    width, other = x_ND.shape[1], y_NE.shape[1]
    exact = torch.float64 if len(x_ND) > plain.LONG else torch.float32
    means = (reduce(torch.cat([x_ND.sum(0, dtype=exact), y_NE.sum(0, dtype=exact)])) / rows).float()
    if x_ND.dtype == torch.float32:
        x_c, y_c, _, lengths = centre(x_ND, y_NE, means)
        parts = plain.products(x_c, y_c, unbiased)
    else:
        cross, *_ = _cross(x_ND, y_NE, means, tile, torch.float32)
        lengths = x_ND.new_empty((2, len(x_ND)), dtype=torch.float32)
        parts = cross.flatten()
        if unbiased:
            parts = torch.cat([parts, _row_sums(x_ND, y_NE, means, lengths).sum(0)])
    joined = reduce(parts)
    cross, rest = joined[: width * other].view(1, width, other), joined[width * other :]
    value = plain.value(cross, rest, rows, unbiased).float()
    if unbiased:
        rest = torch.cat([rest, lengths.flatten()])
    return value, cross.to(x_ND.dtype if x_ND.dtype == torch.bfloat16 else torch.float32), means, rest
