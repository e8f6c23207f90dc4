"""The launch of the counts.

Shapes: B rows, G entries of a row, M thresholds.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ..launching import kept, on_device_of, parts_of, placed
from .triton import counting_kernel

# Thresholds and entries of a row that one program compares at once.
BLOCKS = {"BLOCK_P": 16, "BLOCK_G": 256}
OPTIONS: dict[str, Any] = {"num_warps": 4, "num_stages": 3, "enable_fp_fusion": True}


def counts(scores_BG: Tensor, threshold_M: Tensor, edge_B1: Tensor, widest: int) -> tuple[Tensor, Tensor]:
    """See `public.counts`; (M,) int32 twice. Nothing waits for the device."""
    if scores_BG.stride(1) != 1:
        scores_BG = scores_BG.contiguous()
    threshold_M, edge_B1 = threshold_M.contiguous(), edge_B1.contiguous()
    at_least, above = (threshold_M.new_empty(len(threshold_M), dtype=torch.int32) for _ in range(2))
    sizes, given = (scores_BG.shape[1], scores_BG.stride(0)), (scores_BG, threshold_M, edge_B1)
    grid = (len(scores_BG), parts_of(widest, BLOCKS["BLOCK_P"]))
    with on_device_of(scores_BG):
        key = (sizes, grid, scores_BG.dtype, edge_B1.dtype, placed(*given))
        kept(key, counting_kernel, grid, lambda: BLOCKS | OPTIONS)(*given, at_least, above, *sizes)
    return at_least, above
