"""The function to call for triplets of a batch; back ends are behind it.

Shapes: N rows, D width.
"""

from __future__ import annotations

from typing import Literal

from torch import Tensor

from ..precision import at_least_float32, in_own_precision
from . import op
from . import torch as plain

Mining = Literal["batch-hard", "batch-all", "semi-hard"]
MININGS = ("batch-hard", "batch-all", "semi-hard")


@in_own_precision
def triplet(
    x_ND: Tensor,
    label_N: Tensor,
    *,
    margin: float = 0.3,
    mining: Mining = "batch-hard",
    reduction: Literal["mean", "none"] = "mean",
) -> Tensor:
    """Cost of the chosen triplets: their mean, 0 with zero gradient where the batch has none.

    Args:
        x_ND: (N, D); half precision is raised to float32, except for the mining of batch-hard triplets by Triton.
        label_N: (N,) integers; rows with equal labels are positives of each other.
        margin: how much farther (in squared distance) a negative has to be than a positive.
        mining: "batch-hard": each anchor with its farthest positive and nearest negative (Hermans et al. 2017);
            "batch-all": all triplets; "semi-hard": each pair of anchor and positive with the nearest negative that is
            farther away than the positive, or with the farthest negative where none is (Schroff et al. 2015).
        reduction: "mean" over the chosen triplets; "none", for "batch-hard" alone: the cost of each anchor (N,), 0
            where it has no positive or no negative.

    Returns:
        A scalar, or (N,), float32 or float64, with first derivatives.

    Raises:
        ValueError: for shapes that do not fit, an unknown mining, or "none" with another mining than "batch-hard".
    """
    if mining not in MININGS:
        raise ValueError(f"mining is one of {', '.join(MININGS)}, got {mining!r}")
    if reduction != "mean" and (reduction != "none" or mining != "batch-hard"):
        raise ValueError(f"reduction is 'mean', or 'none' for batch-hard; got {reduction!r} for {mining}")
    if x_ND.ndim != 2 or label_N.shape != x_ND.shape[:1]:
        raise ValueError(f"features are (N, D) and labels (N,), got {tuple(x_ND.shape)} and {tuple(label_N.shape)}")
    if mining == "batch-hard":
        return op.batch_hard(x_ND, label_N, margin, reduction == "mean")
    x_ND = at_least_float32(x_ND)
    if len(x_ND) == 0:
        return x_ND.sum()
    x_ND = plain.centred(x_ND)
    if mining == "batch-all":
        return plain.all_triplets(x_ND, label_N, margin)
    anchor_M, positive_M, negative_M = plain.semi_hard(x_ND.detach(), label_N)
    return plain.mean_of(plain.costs(x_ND, anchor_M, positive_M, negative_M, margin))


def anchors_with_positive(label_N: Tensor) -> Tensor:
    """Share of rows whose label some other row has too, a float scalar."""
    return (plain.of_label(label_N) > 1).float().mean()
