"""The batch-hard triplet loss as it is defined: the whole matrix of squared distances, difference by difference.

Tests and benchmarks compare with it; nothing else calls it. It is differentiable; half precision is raised to float32.

Shapes: N rows, D width.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from ..precision import at_least_float32


def batch_hard(
    x_ND: Tensor, label_N: Tensor, *, margin: float = 0.3, reduction: Literal["mean", "none"] = "mean"
) -> Tensor:
    """max(d_ap - d_an + margin, 0), p the farthest row of the anchor's label and n the nearest of another (Hermans et
    al. 2017, with squared Euclidean distances); the first where several are as far.

    Returns:
        The mean over the anchors that have both, 0 where none has; or (N,) with 0 for the others.
    """
    x_ND = at_least_float32(x_ND)
    distance_NN = torch.cdist(x_ND, x_ND, compute_mode="donot_use_mm_for_euclid_dist").square()
    same_NN = label_N[:, None] == label_N
    itself_NN = torch.eye(len(x_ND), dtype=torch.bool, device=x_ND.device)
    cost_N = x_ND.new_zeros(len(x_ND))
    if len(x_ND):
        far_N = distance_NN.masked_fill(~same_NN | itself_NN, -torch.inf).max(1).values
        near_N = distance_NN.masked_fill(same_NN, torch.inf).min(1).values
        both_N = (same_NN & ~itself_NN).any(1) & ~same_NN.all(1)
        # Infinities must not reach the gradient.
        far_N, near_N = far_N.masked_fill(~both_N, 0.0), near_N.masked_fill(~both_N, 0.0)
        cost_N = (far_N - near_N + margin).clamp(min=0).masked_fill(~both_N, 0.0)
    if reduction == "none":
        return cost_N
    return cost_N.sum() / (max(1, int(both_N.sum())) if len(x_ND) else 1)
