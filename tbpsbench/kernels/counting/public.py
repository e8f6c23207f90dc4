"""The counts on their back ends.

Shapes: B rows, G entries of a row, M thresholds.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ..dispatch import KernelError, chosen
from . import naive
from . import torch as plain


def counts(scores_BG: Tensor, threshold_M: Tensor, edge_B1: Tensor, widest: int) -> tuple[Tensor, Tensor]:
    """Entries of a row that are at least, and that are above, each of its thresholds.

    Args:
        scores_BG: float, without NaN; infinite is allowed.
        threshold_M: of the same dtype and device, row after row, in any order within a row.
        edge_B1: (B + 1,) int64 on the same device, ascending from 0 to M: thresholds edge[b] .. edge[b + 1] - 1 are
            those of row b.
        widest: how many the row with most has; known to who made the edges, and reading it here would wait for the
            device.

    Returns:
        (M,) int32 entries of the row that are >= the threshold, and (M,) int32 that are > it.
    """
    if not len(threshold_M):
        return tuple(threshold_M.new_empty(0, dtype=torch.int32) for _ in range(2))  # type: ignore[return-value]
    if chosen("counting", scores_BG, _self_check) == "triton":
        from . import triton_launch

        return triton_launch.counts(scores_BG, threshold_M, edge_B1, widest)
    return plain.counts(scores_BG, threshold_M, edge_B1, widest)


def _self_check(device: torch.device, dtype: torch.dtype) -> None:
    """Counts of a small problem with ties and infinite values against the definition.

    Raises:
        KernelError: if one of them is wrong.
    """
    generator = torch.Generator().manual_seed(0)
    scores_BG = torch.randint(-40, 40, (5, 1037), generator=generator).div(8).to(dtype)
    scores_BG[1, 3], scores_BG[1, 900], scores_BG[2, 1036] = float("-inf"), float("inf"), float("-inf")
    number_B = torch.tensor([0, 37, 1, 16, 5])
    edge_B1 = torch.cat([torch.zeros(1, dtype=torch.int64), number_B.cumsum(0)])
    row_M = torch.repeat_interleave(torch.arange(5), number_B)
    threshold_M = scores_BG[row_M, torch.randint(0, 1037, (len(row_M),), generator=generator)]
    threshold_M[:2] = scores_BG[1, [3, 900]]
    from . import triton_launch

    scores, threshold, edge = (x.to(device) for x in (scores_BG, threshold_M, edge_B1))
    found = triton_launch.counts(scores, threshold, edge, int(number_B.max()))
    for name, a, b in zip(("at least", "above"), found, naive.counts(scores_BG, threshold_M, edge_B1), strict=True):
        if wrong := int((a.cpu() != b).sum()):
            raise KernelError(f"{wrong} of {len(b)} counts ({name}) are wrong")
