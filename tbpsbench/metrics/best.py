"""The first images of some queries' rankings, in exactly the order that `positive_ranks` counts.

Shapes: Q queries, G gallery, D width, R of the queries, k images each.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch

from tbpsbench.metrics.inputs import Array
from tbpsbench.metrics.matching import Labels, as_array
from tbpsbench.metrics.ranks import TIES, Ties
from tbpsbench.types import Ranking


def best_by(
    scores: Callable[[int, int], Array],
    step: int,
    query_pids: Labels,
    gallery_pids: Labels,
    rows: Sequence[int],
    k: int,
    *,
    ties: Ties = "pessimistic",
) -> Ranking:
    """The first `k` gallery items of some queries.

    Args:
        scores: (start, stop) -> (stop - start, G) similarities, e.g. `Products`; asked for blocks of `step` queries
            that start at multiples of it.
        step: queries of a block.
        query_pids, gallery_pids: as in `positive_ranks`.
        rows: (R,) the queries asked for, by position.
        k: items of each; fewer if the gallery is smaller.
        ties: as in `positive_ranks`; "expected" shows the optimistic order, whose ranks it keeps.

    Returns:
        `scores` and `order`, (R, k), in the order of `rows`; the similarities as they were given, to the last bit.

    Raises:
        ValueError: if `ties` is unknown.
    """
    if ties not in TIES:
        raise ValueError(f"ties is {ties!r}, not one of {', '.join(TIES)}")
    wanted_R = np.asarray(rows, dtype=np.int64)
    asked, answers_G = as_array(query_pids), as_array(gallery_pids)
    queries, k = len(asked), min(k, len(answers_G))
    order_Rk = np.zeros((len(wanted_R), k), dtype=np.int64)
    scores_Rk = np.zeros((len(wanted_R), k), dtype=np.float32)
    for start in range(0, queries, step):
        stop = min(start + step, queries)
        here = np.flatnonzero((wanted_R >= start) & (wanted_R < stop))
        if not len(here):
            continue
        block_BG = scores(start, stop)
        for place in here:
            score_G = torch.as_tensor(block_BG[wanted_R[place] - start]).cpu().numpy()
            match_G = answers_G == asked[wanted_R[place]]
            # Among equal similarities: matches last, first, or wherever they stand in the gallery.
            later_G = {"pessimistic": match_G, "stable": np.zeros_like(match_G)}.get(ties, ~match_G)
            order_Rk[place] = np.lexsort((later_G, -score_G))[:k]
            scores_Rk[place] = score_G[order_Rk[place]]
    return Ranking(scores_Rk, order_Rk)
