"""The counts in plain torch: a row is sorted once and its thresholds are searched in it, or it is compared with each.

Shapes: B rows, G entries of a row, M thresholds, P thresholds of the row that has most.
"""

from __future__ import annotations

import torch
from torch import Tensor

# Bytes of masks or sorted copies that are held at once; a sorted value comes with its place, and once more while it is
# sorted. Thresholds of a row from which it is sorted: on an H100 one of them cost half of what sorting did.
HELD_BYTES, SORTED_BYTES, SORTS_FROM = 1 << 28, 24, 3


def counts(scores_BG: Tensor, threshold_M: Tensor, edge_B1: Tensor, widest: int) -> tuple[Tensor, Tensor]:
    """See `public.counts`; (M,) int32 twice. Nothing waits for the device."""
    rows = len(scores_BG)
    row_M = torch.repeat_interleave(
        torch.arange(rows, device=scores_BG.device), edge_B1.diff(), output_size=len(threshold_M)
    )
    place_M = torch.arange(len(threshold_M), device=scores_BG.device) - edge_B1[row_M]
    # Rows with fewer thresholds are filled up; what is counted there is not read.
    threshold_BP = threshold_M.new_zeros(rows, widest)
    threshold_BP[row_M, place_M] = threshold_M
    form = _sorted if widest >= SORTS_FROM else _compared
    return tuple(count_BP[row_M, place_M].to(torch.int32) for count_BP in form(scores_BG, threshold_BP))  # type: ignore[return-value]


def _sorted(scores_BG: Tensor, threshold_BP: Tensor) -> tuple[Tensor, Tensor]:
    """Some rows at a time."""
    gallery = scores_BG.shape[1]
    step = max(1, HELD_BYTES // (SORTED_BYTES * max(1, gallery)))
    at_least, above = [], []
    for part_BG, part_BP in zip(scores_BG.split(step), threshold_BP.split(step), strict=True):
        sorted_BG = torch.sort(part_BG, dim=1).values
        at_least.append(gallery - torch.searchsorted(sorted_BG, part_BP))
        above.append(gallery - torch.searchsorted(sorted_BG, part_BP, right=True))
    return torch.cat(at_least), torch.cat(above)


def _compared(scores_BG: Tensor, threshold_BP: Tensor) -> tuple[Tensor, Tensor]:
    """Some thresholds at a time."""
    step = max(1, HELD_BYTES // max(1, scores_BG.numel()))
    parts = [part_BP[:, :, None] for part_BP in threshold_BP.split(step, dim=1)]
    at_least = [(scores_BG[:, None, :] >= part_BP1).sum(-1) for part_BP1 in parts]
    above = [(scores_BG[:, None, :] > part_BP1).sum(-1) for part_BP1 in parts]
    return torch.cat(at_least, 1), torch.cat(above, 1)
