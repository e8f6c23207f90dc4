"""Gradients of the losses by the similarities of a chunk, for the form in plain torch; see `form`.

Shapes: N pairs, C rows of a chunk, K columns of its window, M rows or columns that lose.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from .chunks import Chunk
from .form import Form

LN2 = math.log(2)


def weigh(
    form: Form,
    y_CN: Tensor,
    positive_CK: Tensor | None,
    chunk: Chunk,
    dim: int,
    u_M: Tensor,
    saved: Tensor,
    out: list[Tensor],
) -> Tensor:
    """What the rows of a chunk (dim 1), or all columns (dim 0), add to the gradient by its similarities (C, N).

    Args:
        y_CN: similarities times the scale in base 2; -inf for positives, which stand in `positive_CK`, of a hinge.
        u_M: gradient that arrives, times the scale where the loss is no hinge.
        saved: (4, M).
        out: room of a chunk; the result is in the first, which may be `y_CN`.
    """
    first_M, second_M, third_M, fourth_M = (one.unsqueeze(dim) for one in saved)
    u_M = u_M.unsqueeze(dim)
    own = slice(None) if dim else chunk.window  # Rows or columns that the window has.
    weight_CN = out[0][: chunk.rows]
    window_CK = weight_CN[:, chunk.window]
    if form.kind == "entropy":
        torch.sub(y_CN, first_M, out=weight_CN).exp2_().mul_(u_M * second_M)
        window_CK -= chunk.same_CK * _of(u_M * third_M, own, dim)
        return weight_CN
    if form.kind == "divergence":
        torch.sub(y_CN, first_M, out=weight_CN)
        exp_CN = torch.exp2(weight_CN, out=out[1][: chunk.rows])
        weight_CN.sub_(fourth_M / LN2)
        window_CK -= chunk.same_CK * _of((third_M - fourth_M) / LN2, own, dim)
        return weight_CN.mul_(exp_CN).mul_(u_M * second_M * LN2)
    assert positive_CK is not None
    if form.kind == "alignment":
        torch.sub(y_CN, first_M, out=weight_CN).exp2_().mul_(u_M * second_M)
    else:
        weight_CN.zero_()
        _scatter(weight_CN, chunk, dim, (u_M * second_M).flatten(), saved[0])
    window_CK -= (positive_CK - _of(third_M, own, dim)).exp2_().mul_(_of(u_M * fourth_M, own, dim))
    return weight_CN


def _of(value_M: Tensor, own: slice, dim: int) -> Tensor:
    """The part of per-row or per-column values that a window meets."""
    return value_M if dim else value_M[:, own]


def _scatter(weight_CN: Tensor, chunk: Chunk, dim: int, u_M: Tensor, index_M: Tensor) -> None:
    """Put each loser's gradient on its hardest negative, if it has one here."""
    place_M = index_M.long() if dim else index_M.long() - chunk.part.start
    here_M = ((place_M >= 0) & (index_M >= 0) & (place_M < weight_CN.shape[dim])).nonzero().flatten()
    at = (here_M, place_M[here_M]) if dim else (place_M[here_M], here_M)
    weight_CN[at] = u_M[here_M]
