"""The definition: each threshold compared with every entry of its row.

Shapes: B rows, G entries of a row, M thresholds.
"""

from __future__ import annotations

import torch
from torch import Tensor


def counts(scores_BG: Tensor, threshold_M: Tensor, edge_B1: Tensor) -> tuple[Tensor, Tensor]:
    """See `public.counts`."""
    at_least, above = [], []
    for row_G, start, stop in zip(scores_BG, edge_B1[:-1].tolist(), edge_B1[1:].tolist(), strict=True):
        for threshold in threshold_M[start:stop]:
            at_least.append((row_G >= threshold).sum())
            above.append((row_G > threshold).sum())
    found = (torch.stack(part) if part else threshold_M.new_zeros(0) for part in (at_least, above))
    return tuple(part.to(torch.int32) for part in found)  # type: ignore[return-value]
