"""Task weights that have a given sum and lie within bounds, both at once."""

from __future__ import annotations

import torch
from torch import Tensor


def scale_into(weight_K: Tensor, low: float, high: float) -> Tensor:
    """Scale positive weights so that, clipped to [low, high], they sum to their number.

    Normalising and then clipping would break the sum, clipping and then normalising the bounds. clip(c w) keeps both
    with the one c that makes the sum right: the nearest weights in the sense of relative entropy, and ratios between
    weights within the bounds stay.

    Args:
        weight_K: (K,), > 0.
        low, high: bounds, 0 < low <= 1 <= high.

    Returns:
        (K,), in [low, high], sum K.
    """
    weight_K, count = weight_K.double(), len(weight_K)
    # The sum grows with c along straight lines between the points where a weight enters or leaves the bounds.
    corner_C = torch.cat([low / weight_K, high / weight_K]).sort().values
    sum_C = (corner_C[:, None] * weight_K).clamp(low, high).sum(1)
    right = int((sum_C < count).sum().clamp(1, len(corner_C) - 1))
    left_sum, right_sum = sum_C[right - 1], sum_C[right]
    share = ((count - left_sum) / (right_sum - left_sum).clamp(min=1e-300)).clamp(0, 1)
    factor = corner_C[right - 1] + share * (corner_C[right] - corner_C[right - 1])
    return (factor * weight_K).clamp(low, high)
