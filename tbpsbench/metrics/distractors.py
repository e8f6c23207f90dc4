"""Further images that match nobody: they only push the positives back, so a pass over each part of them is enough.

Shapes: Q queries, T positives of all queries together, B queries of a block, C distractors of a part.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

import numpy as np

from tbpsbench.metrics.counting import Counting, count
from tbpsbench.metrics.inputs import Array
from tbpsbench.metrics.ranks import PositiveRanks

# Number of distractors, and (start, stop) -> (B, C) similarities of these queries with them.
Part = tuple[int, Callable[[int, int], Array]]


def add_distractors(
    ranks: PositiveRanks, score_T: np.ndarray, parts: Iterable[Part], queries: int, step: int, counting: Counting
) -> PositiveRanks:
    """Ranks in the gallery with the distractors behind it.

    Args:
        ranks: without them.
        score_T: similarity of each positive, in the order of the ranks.
        parts: the distractors, each part asked for once for every block of queries, in order.
        queries: Q, those without a match included.
        step: queries of a block.
        counting: see `counting.count`.
    """
    rank_T, tied_T, size = ranks.ranks.copy(), ranks.tied.copy(), 0
    for number, scores in parts:
        size += number
        for start in range(0, queries, step):
            first, last = np.searchsorted(ranks.query, [start, start + step])
            if first == last:
                continue
            block_BC = scores(start, min(start + step, queries))[ranks.query[first:last] - start]
            edges = ranks.offsets[first : last + 1]
            span = slice(edges[0], edges[-1])
            at_least_T, above_T = count(block_BC, score_T[span], edges - edges[0], counting)
            rank_T[span] += at_least_T if ranks.ties_rule == "pessimistic" else above_T
            tied_T[span] += at_least_T - above_T
    return replace(ranks, ranks=rank_T, tied=tied_T, gallery_size=ranks.gallery_size + size)
