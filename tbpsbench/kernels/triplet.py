"""Triplets of one batch by squared distance: which ones a loss looks at, and what they cost (BDAM, eq. 4).

The cost of a triplet is max(d_ap - d_an + margin, 0) with squared Euclidean distances d. Which triplets count, and
which of them are above zero, is found without gradients in row chunks; what is left to differentiate is linear in the
distances. So the backward pass touches the chosen pairs alone (or one matrix product, for all triplets), and a matrix
of all distances is never kept.

Shapes: N rows, D width, C rows of a chunk, M triplets or pairs.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import torch
from torch import Tensor

from tbpsbench.kernels.precision import at_least_float32

Mining = Literal["batch-hard", "batch-all", "semi-hard"]
MININGS = ("batch-hard", "batch-all", "semi-hard")

# Values of one chunk of a distance matrix: 16 MB in float32. Smaller ones slow the matrix product down.
CHUNK = 1 << 22


def triplet(x_ND: Tensor, label_N: Tensor, *, margin: float = 0.3, mining: Mining = "batch-hard") -> Tensor:
    """Mean cost of the chosen triplets; 0 with zero gradient where the batch has none.

    Args:
        x_ND: (N, D); half precision is raised to float32.
        label_N: (N,) int64; rows with equal labels are positives of each other.
        margin: how much farther (in squared distance) a negative has to be than a positive.
        mining: "batch-hard": each anchor with its farthest positive and nearest negative (Hermans et al. 2017);
            "batch-all": all triplets; "semi-hard": each pair of anchor and positive with the nearest negative that is
            farther away than the positive, or with the farthest negative where none is (Schroff et al. 2015).

    Returns:
        A scalar with first derivatives.

    Raises:
        ValueError: for an unknown mining.
    """
    if mining not in MININGS:
        raise ValueError(f"mining is one of {', '.join(MININGS)}, got {mining!r}")
    x_ND = at_least_float32(x_ND)
    # Distances do not depend on the mean; float32 products of what is far from zero do.
    x_ND = x_ND - x_ND.detach().mean(0)
    if mining == "batch-all":
        return _all_triplets(x_ND, label_N, margin)
    choose = _hardest if mining == "batch-hard" else _semi_hard
    anchor_M, positive_M, negative_M = choose(x_ND.detach(), label_N)
    anchor_MD = x_ND[anchor_M]
    near_M = (anchor_MD - x_ND[positive_M]).square().sum(1)
    far_M = (anchor_MD - x_ND[negative_M]).square().sum(1)
    return (near_M - far_M + margin).clamp(min=0).sum() / max(1, len(anchor_M))


def anchors_with_positive(label_N: Tensor) -> Tensor:
    """Share of rows whose label some other row has too, a float scalar."""
    _, group_N, count = label_N.unique(return_inverse=True, return_counts=True)
    return (count[group_N] > 1).float().mean()


def _chunks(x_ND: Tensor, label_N: Tensor) -> Iterator[tuple[slice, Tensor, Tensor]]:
    """Rows, their distances (C, N) to all, and (C, N) whether the labels are equal."""
    rows, square_N = len(x_ND), x_ND.square().sum(1)
    height = max(1, CHUNK // rows)
    for start in range(0, rows, height):
        part = slice(start, min(rows, start + height))
        distance_CN = torch.addmm(square_N, x_ND[part], x_ND.T, alpha=-2).add_(square_N[part, None]).clamp_(min=0)
        yield part, distance_CN, label_N[part, None] == label_N


@torch.no_grad()
def _hardest(x_ND: Tensor, label_N: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The anchors that have both, their farthest positive and their nearest negative: (M,) each."""
    found = []
    for part, distance_CN, same_CN in _chunks(x_ND, label_N):
        far_C, negative_C = distance_CN.masked_fill(same_CN, torch.inf).min(1)
        # The anchor itself is not its own positive.
        same_CN.diagonal(part.start).fill_(False)
        near_C, positive_C = distance_CN.masked_fill_(~same_CN, -torch.inf).max(1)
        chosen_C = (near_C >= 0) & far_C.isfinite()
        anchor_C = torch.arange(part.start, part.stop, device=x_ND.device)
        found.append(torch.stack([anchor_C, positive_C, negative_C])[:, chosen_C])
    return torch.cat(found, dim=1).unbind()  # type: ignore[return-value]


@torch.no_grad()
def _semi_hard(x_ND: Tensor, label_N: Tensor) -> tuple[Tensor, Tensor, Tensor]:
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


def _all_triplets(x_ND: Tensor, label_N: Tensor, margin: float) -> Tensor:
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
