"""Triplets of one batch in plain torch, in row chunks: the path of CPUs, and of every mining but batch-hard everywhere.

Which triplets count, and which of them are above zero, is found without gradients; what is left to differentiate is
linear in the distances.

Shapes: N rows, D width, C rows of a chunk, M triplets or pairs.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

# Values of one chunk of a distance matrix: 16 MB in float32. Smaller ones slow the matrix product down.
CHUNK = 1 << 22


def batch_hard(x_ND: Tensor, label_N: Tensor, margin: float, mean: bool) -> Tensor:
    """The mean cost of batch-hard triplets, or the cost of each anchor (N,)."""
    x_ND = centred(x_ND)
    anchor_M, positive_M, negative_M = hardest(x_ND.detach(), label_N)
    cost_M = costs(x_ND, anchor_M, positive_M, negative_M, margin)
    if mean:
        return mean_of(cost_M)
    return x_ND.new_zeros(len(x_ND)).index_copy(0, anchor_M, cost_M)


def batch_hard_with_indices(
    x_ND: Tensor, label_N: Tensor, margin: float, mean: bool
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """What `batch_hard` gives, and for its gradient: the positive and the negative of each anchor (N,) int32, -1 where
    there is no gradient, and what one anchor has in the mean (1,), or nothing."""
    x_ND = centred(x_ND)
    anchor_M, positive_M, negative_M = hardest(x_ND, label_N)
    cost_M = x_ND.new_empty(0)
    if len(anchor_M):
        cost_M = _differences(x_ND, anchor_M, positive_M, negative_M, margin)
    places = []
    for index_M in (positive_M, negative_M):
        place_N = label_N.new_full((len(x_ND),), -1, dtype=torch.int32)
        places.append(place_N.index_copy(0, anchor_M, torch.where(cost_M <= 0, -1, index_M).int()))
    cost_M = cost_M.clamp(min=0)
    if mean:
        return mean_of(cost_M), *places, x_ND.new_full((1,), 1 / max(1, len(cost_M)))
    return x_ND.new_zeros(len(x_ND)).index_copy(0, anchor_M, cost_M), *places, x_ND.new_empty(0)


def gradient(grad: Tensor, x_ND: Tensor, positive_N: Tensor, negative_N: Tensor) -> Tensor:
    """Gradient (N, D) of the costs, `grad` that of each (N,) or of all."""
    anchor_M = (positive_N >= 0).nonzero()[:, 0]
    positive_M, negative_M = positive_N[anchor_M].long(), negative_N[anchor_M].long()
    weight_M1 = 2 * grad.expand(len(x_ND))[anchor_M, None]
    anchor_MD, positive_MD, negative_MD = x_ND[anchor_M], x_ND[positive_M], x_ND[negative_M]
    found_ND = torch.zeros_like(x_ND, memory_format=torch.contiguous_format)
    for index_M, change_MD in (
        (anchor_M, negative_MD - positive_MD),
        (positive_M, positive_MD - anchor_MD),
        (negative_M, anchor_MD - negative_MD),
    ):
        # Unlike index_add_, it gives the same bits in every run on a GPU, too.
        found_ND.index_put_((index_M,), weight_M1 * change_MD, accumulate=True)
    return found_ND


def centred(x_ND: Tensor) -> Tensor:
    """Distances do not depend on the mean; float32 products of what is far from zero do."""
    return x_ND - x_ND.detach().mean(0)


def costs(x_ND: Tensor, anchor_M: Tensor, positive_M: Tensor, negative_M: Tensor, margin: float) -> Tensor:
    """max(d_ap - d_an + margin, 0) of each triplet (M,)."""
    return _differences(x_ND, anchor_M, positive_M, negative_M, margin).clamp(min=0)


def _differences(x_ND: Tensor, anchor_M: Tensor, positive_M: Tensor, negative_M: Tensor, margin: float) -> Tensor:
    anchor_MD = x_ND[anchor_M]
    near_M = (anchor_MD - x_ND[positive_M]).square().sum(1)
    far_M = (anchor_MD - x_ND[negative_M]).square().sum(1)
    return near_M - far_M + margin


def mean_of(cost_M: Tensor) -> Tensor:
    """0 for no triplets."""
    return cost_M.sum() / max(1, len(cost_M))


def _chunks(x_ND: Tensor, label_N: Tensor) -> Iterator[tuple[slice, Tensor, Tensor]]:
    """Rows, their distances (C, N) to all, and (C, N) whether the labels are equal."""
    rows, square_N = len(x_ND), x_ND.square().sum(1)
    height = max(1, CHUNK // rows)
    for start in range(0, rows, height):
        part = slice(start, min(rows, start + height))
        distance_CN = torch.addmm(square_N, x_ND[part], x_ND.T, alpha=-2).add_(square_N[part, None]).clamp_(min=0)
        yield part, distance_CN, label_N[part, None] == label_N


@torch.no_grad()
def hardest(x_ND: Tensor, label_N: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The anchors that have both, their farthest positive and their nearest negative: (M,) each."""
    found, both_N = [], have_both(label_N)
    for part, distance_CN, same_CN in _chunks(x_ND, label_N):
        negative_C = distance_CN.masked_fill(same_CN, torch.inf).argmin(1)
        # The anchor itself is not its own positive.
        same_CN.diagonal(part.start).fill_(False)
        positive_C = distance_CN.masked_fill_(~same_CN, -torch.inf).argmax(1)
        anchor_C = torch.arange(part.start, part.stop, device=x_ND.device)
        found.append(torch.stack([anchor_C, positive_C, negative_C])[:, both_N[part]])
    return torch.cat(found, dim=1).unbind()  # type: ignore[return-value]


def have_both(label_N: Tensor) -> Tensor:
    """Whether rows have a positive and a negative (N,): the labels' matter, whatever the distances are."""
    count_N = of_label(label_N)
    return (count_N > 1) & (count_N < len(label_N))


def of_label(label_N: Tensor) -> Tensor:
    """How many rows have each row's label, itself included (N,)."""
    _, group_N, count = label_N.unique(return_inverse=True, return_counts=True)
    return count[group_N]


@torch.no_grad()
def semi_hard(x_ND: Tensor, label_N: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Every pair of an anchor and a positive, with one negative: (M,) each."""
    found = []
    for part, distance_CN, same_CN in _chunks(x_ND, label_N):
        far_CN = distance_CN.masked_fill(same_CN, torch.inf)
        farthest_C = distance_CN.masked_fill(same_CN, -torch.inf).argmax(1)
        for row_M, positive_M in _pairs(same_CN, part.start):
            near_M = distance_CN[row_M, positive_M]
            # The anchor's negatives that are farther than the positive; the nearest of them.
            outside_MN = far_CN[row_M].masked_fill_(far_CN[row_M] <= near_M[:, None], torch.inf)
            nearest_M, negative_M = outside_MN.min(1)
            negative_M = torch.where(nearest_M.isfinite(), negative_M, farthest_C[row_M])
            found.append(torch.stack([row_M + part.start, positive_M, negative_M]))
    if not found:
        nothing = label_N.new_empty(0)
        return nothing, nothing, nothing
    return torch.cat(found, dim=1).unbind()  # type: ignore[return-value]


def _pairs(same_CN: Tensor, start: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Rows (of the chunk) and columns of the positives of anchors that have a negative, a few pairs at a time."""
    positive_CN = same_CN.clone()
    positive_CN.diagonal(start).fill_(False)
    positive_CN &= ~same_CN.all(1, keepdim=True)
    row_M, column_M = positive_CN.nonzero(as_tuple=True)
    step = max(1, CHUNK // same_CN.shape[1])
    for first in range(0, len(row_M), step):
        yield row_M[first : first + step], column_M[first : first + step]


def all_triplets(x_ND: Tensor, label_N: Tensor, margin: float) -> Tensor:
    """Mean cost of all triplets of centred features."""
    weight_NN, active, triplets = _counts(x_ND.detach(), label_N, margin)
    # sum_ij W_ij ||x_i - x_j||^2: every active triplet adds d_ap and takes d_an away.
    sums_N = weight_NN.sum(0) + weight_NN.sum(1)
    distances = sums_N @ x_ND.square().sum(1) - 2 * ((weight_NN @ x_ND) * x_ND).sum()
    return (distances + margin * active) / triplets.clamp(min=1)


@torch.no_grad()
def _counts(x_ND: Tensor, label_N: Tensor, margin: float) -> tuple[Tensor, Tensor, Tensor]:
    """How often the active triplets use each pair, (N, N), negatives with a minus; active triplets; all triplets."""
    weight_NN = x_ND.new_zeros(len(x_ND), len(x_ND))
    active, triplets = x_ND.new_zeros(()), x_ND.new_zeros(())
    for part, distance_CN, same_CN in _chunks(x_ND, label_N):
        far_CN = distance_CN.masked_fill(same_CN, torch.inf)
        for row_M, positive_M in _pairs(same_CN, part.start):
            above_MN = far_CN[row_M] < distance_CN[row_M, positive_M][:, None] + margin
            count_M = above_MN.sum(1).to(x_ND.dtype)
            weight_NN.index_put_((row_M + part.start, positive_M), count_M, accumulate=True)
            weight_NN.index_add_(0, row_M + part.start, above_MN.to(x_ND.dtype), alpha=-1)
            active += count_M.sum()
            triplets += (~same_CN).sum(1)[row_M].sum()
    return weight_NN, active, triplets
