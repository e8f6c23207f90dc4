"""The counts in Triton: a program owns a row and some of its thresholds, and reads the row once.

Counts are kept for each place of a tile and added up at the end. No atomics.
"""

# ruff: noqa: ANN001, ANN201
# mypy: disallow-untyped-defs=False, disallow-incomplete-defs=False
from __future__ import annotations

import triton
import triton.language as tl


@triton.jit
def counting_kernel(scores_ptr, threshold_ptr, edge_ptr, at_least_ptr, above_ptr, gallery, stride,
                    BLOCK_P: tl.constexpr, BLOCK_G: tl.constexpr):  # fmt: skip
    """Thresholds edge[row] + BLOCK_P * program_id(1) and the BLOCK_P - 1 after it, as far as they are the row's."""
    row = tl.program_id(0)
    first = tl.load(edge_ptr + row) + tl.program_id(1) * BLOCK_P
    stop = tl.load(edge_ptr + row + 1)
    if first < stop:
        at = first + tl.arange(0, BLOCK_P)
        kept = at < stop
        threshold = tl.load(threshold_ptr + at, mask=kept, other=0.0)[:, None]
        # A comparison that gives a float32 and its addition go to different units of a GPU; both are exact.
        at_least = tl.zeros((BLOCK_P, BLOCK_G), tl.float32)
        above = tl.zeros((BLOCK_P, BLOCK_G), tl.float32)
        line_ptr = scores_ptr + row.to(tl.int64) * stride
        col = tl.arange(0, BLOCK_G)
        # What lies behind the row is no number, which is neither at least nor above anything.
        score = tl.load(line_ptr + col, mask=col < gallery, other=float("nan"))
        for start in range(BLOCK_G, gallery + BLOCK_G, BLOCK_G):
            # On its way while the one before is counted.
            col = start + tl.arange(0, BLOCK_G)
            following = tl.load(line_ptr + col, mask=col < gallery, other=float("nan"))
            at_least += tl.where(score[None, :] >= threshold, 1.0, 0.0)
            above += tl.where(score[None, :] > threshold, 1.0, 0.0)
            score = following
        tl.store(at_least_ptr + at, tl.sum(at_least.to(tl.int32), 1), mask=kept)
        tl.store(above_ptr + at, tl.sum(above.to(tl.int32), 1), mask=kept)
