"""What is streamed over rows and columns of the similarities, for the form in plain torch; see `form`.

Shapes: N pairs, C rows of a chunk, K columns of its window, M rows or columns that a statistic is of.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from .chunks import Chunk
from .form import EMPTY, NEVER, Form

LN2 = math.log(2)
# Below this, 2^shift is 0 in any precision, and its square is still a number.
LOWEST = -1e4


def hide_positives(y_CN: Tensor, chunk: Chunk) -> Tensor:
    """Put -inf in place of a chunk's positives; what stood in its window before, with -inf for negatives (C, K)."""
    window_CK = y_CN[:, chunk.window]
    positive_CK = window_CK.masked_fill(~chunk.same_CK, -torch.inf)
    window_CK.masked_fill_(chunk.same_CK, -torch.inf)
    return positive_CK


def update(
    form: Form, state: Tensor, y_CN: Tensor, positive_CK: Tensor | None, chunk: Chunk, dim: int, scratch: list[Tensor]
) -> None:
    """Take a chunk into the statistics (7, M) of its rows (dim 1) or of all columns (dim 0), in place."""
    if positive_CK is not None:
        negatives = _hardest if form.kind == "ranking" else _soft_negatives
        negatives(state, y_CN, chunk, dim, scratch)
        _positives(state if dim else state[:, chunk.window], positive_CK, dim)
        return
    a, b, c, d, e, f, n = state
    own = slice(None) if dim else chunk.window
    high = torch.maximum(a, y_CN.amax(dim))
    step = a - high
    shift = step.clamp(min=LOWEST)
    keep = shift.exp2()
    z_CN = torch.sub(y_CN, high.unsqueeze(dim), out=scratch[1][: chunk.rows])
    if form.kind == "entropy":
        d += n * step
        d[own] += _of_same(z_CN, chunk, dim)
        n[own] += chunk.same_CK.sum(dim)
    exp_CN = torch.exp2(z_CN, out=scratch[0][: chunk.rows])
    if form.kind == "divergence" and form.slopes:
        first_CN = torch.mul(exp_CN, z_CN, out=scratch[2][: chunk.rows])
        f.copy_(keep * (f + shift * d))
        f[own] += _of_same(first_CN, chunk, dim)
        e.copy_(keep * (e + 2 * shift * c + shift**2 * b)).add_(z_CN.mul_(first_CN).sum(dim))
        c.copy_(keep * (c + shift * b)).add_(first_CN.sum(dim))
    elif form.kind == "divergence" or form.moments:
        c.copy_(keep * (c + shift * b)).add_(z_CN.mul_(exp_CN).sum(dim))
    if form.kind == "divergence":
        d *= keep
        d[own] += _of_same(exp_CN, chunk, dim)
    b.mul_(keep).add_(exp_CN.sum(dim))
    a.copy_(high)


def _of_same(value_CN: Tensor, chunk: Chunk, dim: int) -> Tensor:
    """Sums over a chunk's positives."""
    return (value_CN[:, chunk.window] * chunk.same_CK).sum(dim)


def _soft_negatives(state: Tensor, y_CN: Tensor, chunk: Chunk, dim: int, scratch: list[Tensor]) -> None:
    a, b = state[:2]
    high = torch.maximum(a, y_CN.amax(dim))
    exp_CN = torch.sub(y_CN, high.unsqueeze(dim), out=scratch[1][: chunk.rows]).exp2_()
    b.mul_((a - high).exp2_()).add_(exp_CN.sum(dim))
    a.copy_(high)


def _hardest(state: Tensor, y_CN: Tensor, chunk: Chunk, dim: int, scratch: list[Tensor]) -> None:  # noqa: ARG001
    high, index = y_CN.max(dim)
    harder = high > state[0]
    state[0] = torch.maximum(state[0], high)
    state[1] = torch.where(harder, (index if dim else index + chunk.part.start).to(state.dtype), state[1])


def _positives(state: Tensor, positive_CK: Tensor, dim: int) -> None:
    c, d, e = state[2:5]
    high = torch.maximum(c, positive_CK.amax(dim))
    shift = (c - high).clamp_(min=LOWEST)
    keep = shift.exp2()
    z_CK = positive_CK - high.unsqueeze(dim)
    exp_CK = z_CK.exp2()
    # Where there is nothing, 0 times -inf.
    e.copy_(keep * (e + shift * d)).add_(z_CK.mul_(exp_CK).nan_to_num_(nan=0.0).sum(dim))
    d.mul_(keep).add_(exp_CK.sum(dim))
    c.copy_(high)


def finish(
    form: Form, state: Tensor, count_N: Tensor, scale_N: Tensor, alpha: Tensor | None
) -> tuple[Tensor, Tensor, Tensor]:
    """Losses (N,) of one direction, what is kept of its rows (4, N), the slopes by the scale (N,).

    Args:
        state: (7, N).
        count_N: positives of each row.
        scale_N: in base 2.
        alpha: share of the softmax in the targets of `entropy`; None for 0.
    """
    a, b, c, d, e, f, n = state
    nothing_N = torch.zeros_like(a)
    if form.kind == "entropy":
        alpha = nothing_N if alpha is None else alpha.to(a.dtype)
        mean_N = c / b if form.moments else nothing_N
        value_N = LN2 * (b.log2() - alpha * mean_N - (1 - alpha) * d / n)
        saved = (a, (1 - alpha) / b, (1 - alpha) / n, nothing_N)
        return value_N, torch.stack(saved), (1 - alpha) * (mean_N - d / n) / scale_N
    if form.kind == "divergence":
        # In float32 also beside float64, as the definition: so the released numbers are met to 1e-9.
        share_N = count_N.float().sqrt() if form.root else count_N.float()
        log_same_N = (1 / share_N + form.eps).log().to(a.dtype)
        log_other = (torch.zeros((), device=a.device) + form.eps).log().to(a.dtype)
        mean_N, same_N = LN2 * c / b, d / b
        value_N = mean_N - b.log() - same_N * log_same_N - (1 - same_N) * log_other
        first_N, second_N = LN2 * f / b, LN2**2 * e / b
        slope_N = second_N - first_N * log_same_N - (mean_N - first_N) * log_other - mean_N * (b.log() + value_N)
        shift_N = b.log() + value_N
        saved = (a, 1 / b, log_same_N + shift_N, log_other + shift_N)
        return value_N, torch.stack(saved), slope_N / (LN2 * scale_N)
    if form.kind == "alignment":
        found_N = a > NEVER / 2
        negative_N, kept_N, by_N = (a + b.log2()) / scale_N, torch.where(found_N, a, EMPTY), 1 / b
    else:
        found_N = count_N < len(count_N)
        negative_N, kept_N, by_N = a.clamp(min=0) / scale_N, torch.where(a > 0, b, -1.0), torch.ones_like(a)
    value_N = form.margin - (c + e / d) / scale_N + negative_N
    # What is not a number is no cost of nothing: training has to see it.
    active_N = (found_N & (value_N >= 0)) | value_N.isnan()
    saved = (kept_N, torch.where(active_N, by_N, 0.0), c, torch.where(active_N, 1 / d, 0.0))
    return torch.where(active_N, value_N, 0.0), torch.stack(saved), nothing_N
