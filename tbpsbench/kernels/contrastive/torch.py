"""The family in plain torch, a chunk of rows of the similarities at a time: what runs on a CPU.

Statistics of rows and columns come from one pass; the backward pass computes each chunk again, turns it into the
gradient by the similarities, and multiplies twice. Sums run in a fixed order: every run gives the same bits.

Shapes: N pairs, D width, C rows of a chunk, S numbers kept of a row.
"""

from __future__ import annotations

import torch
from torch import Tensor

from .chunks import LOG2E, Ordered
from .form import NEVER, STATES, Form
from .torch_statistics import finish, hide_positives, update
from .torch_weights import weigh


def statistics(
    anchor_ND: Tensor, positive_ND: Tensor, label_N: Tensor, scale: Tensor | None, alpha: Tensor | None, form: Form
) -> tuple[Tensor, Tensor, Tensor]:
    """Losses (N,), what the backward pass needs (2, S, N), and the slopes by the scale (2, N)."""
    pairs = Ordered(anchor_ND, positive_ND, label_N, scale, form)
    state = pairs.sides[0].new_zeros(2, STATES, len(label_N))
    state[:, 0] = NEVER
    if form.hinged:
        state[:, 2] = NEVER
    scratch = [pairs.buffer() for _ in range(2 + (form.slopes and form.kind == "divergence"))]
    for chunk in pairs.chunks():
        product_CN = pairs.product(chunk)
        hidden_CK = hide_positives(product_CN, chunk) if form.hinged else None
        for dim, of in ((1, state[0, :, chunk.part]), (0, state[1])):
            y_CN = pairs.scaled(product_CN, chunk, dim, scratch[1])
            update(form, of, y_CN, hidden_CK, chunk, dim, scratch)
    found = [finish(form, of, pairs.count_N, by_N, alpha) for of, by_N in zip(state, pairs.scale_2N, strict=True)]
    value_N = form.row * found[0][0] + form.column * found[1][0]
    saved, slope = (torch.stack([one[i] for one in found]) for i in (1, 2))
    if form.kind == "ranking":
        saved[:, 0] = torch.stack([pairs.names(index_N, known=False) for index_N in saved[:, 0]])
    return pairs.back(value_N), pairs.back(saved), pairs.back(slope)


def gradient(
    grad_N: Tensor,
    anchor_ND: Tensor,
    positive_ND: Tensor,
    label_N: Tensor,
    scale: Tensor | None,
    saved: Tensor,
    form: Form,
    needed: tuple[bool, bool] = (True, True),
) -> tuple[Tensor, Tensor]:
    """Gradients of both sides, (N, D) each, in their types; empty (0) for a side that is not needed.

    Args:
        grad_N: of the losses.
        saved: (2, S, N) of `statistics`.
    """
    pairs = Ordered(anchor_ND, positive_ND, label_N, scale, form)
    saved, grad_N = pairs.sort(saved), pairs.sort(grad_N.to(saved.dtype))
    if form.kind == "ranking":
        saved[:, 0] = torch.stack([pairs.names(index_N, known=True) for index_N in saved[:, 0]])
    # A hinge is on the similarities themselves, the rest on their products with the scale.
    by_2N = torch.ones_like(pairs.scale_2N) if form.hinged else pairs.scale_2N / LOG2E
    u_2N = torch.stack([form.row * grad_N * by_2N[0], form.column * grad_N * by_2N[1]])
    grads = [
        torch.zeros_like(side) if need else side.new_empty(0) for side, need in zip(pairs.sides, needed, strict=True)
    ]
    weight, scratch = pairs.buffer(), [pairs.buffer() for _ in range(1 + (form.kind == "divergence"))]
    for chunk in pairs.chunks():
        product_CN, weight_CN = pairs.product(chunk), weight[: chunk.rows]
        hidden_CK = hide_positives(product_CN, chunk) if form.hinged else None
        for dim, u_M, saved_SM in ((1, u_2N[0, chunk.part], saved[0, :, chunk.part]), (0, u_2N[1], saved[1])):
            out = [weight_CN, *scratch[1:]] if dim else scratch
            y_CN = pairs.scaled(product_CN, chunk, dim, out[0])
            part_CN = weigh(form, y_CN, hidden_CK, chunk, dim, u_M, saved_SM, out)
            if not dim:
                weight_CN += part_CN
        if needed[0]:
            torch.mm(weight_CN, pairs.sides[1], out=grads[0][chunk.part])
        if needed[1]:
            grads[1].addmm_(weight_CN.T, pairs.sides[0][chunk.part])
    anchor_grad, positive_grad = (
        pairs.back(grad, 0) if need else grad for grad, need in zip(grads, needed, strict=True)
    )
    return anchor_grad.to(anchor_ND.dtype), positive_grad.to(positive_ND.dtype)
