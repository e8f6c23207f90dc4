"""Ranks of the positives where the similarities lie, on a GPU say: the host waits for the device once, at the end.

The same counts and the same arithmetic as `block_ranks`, for all queries together. A GPU does its part of a block in
less time than a host takes to ask for a dozen operations, so what concerns no similarities is done before, once.

Shapes: B queries of a block, G gallery, M matches of all queries (or of a block's), P positives.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from tbpsbench.kernels.counting import counts
from tbpsbench.metrics.matching import MatchTable
from tbpsbench.metrics.ranks import Ties

# A query's place and a count, which is below 2^31, make one number that is in order of queries, then of ranks.
COUNT_BITS = 32


class DeviceRanks:
    """Takes blocks of similarities in order, then gives the ranks.

    Args:
        table: the matches of all queries.
        device: of the similarities.
    """

    def __init__(self, table: MatchTable, device: torch.device) -> None:
        number_Q = table.matches_Q
        self._edges = np.concatenate([[0], np.cumsum(number_Q)])
        self._number_Q = number_Q
        total = int(self._edges[-1])
        given = (table.order_G, table.start_Q - self._edges[:-1], self._edges)
        order_G, shift_Q, self._edge = (torch.from_numpy(part).to(device) for part in given)
        query_Q = torch.arange(len(number_Q), device=device)
        self._query_M = torch.repeat_interleave(query_Q, self._edge.diff(), output_size=total)
        self._column_M = order_G[shift_Q[self._query_M] + torch.arange(total, device=device)]
        self._positive_M: Tensor | None = None
        if table.groups is not None:
            group_Q, group_G = (torch.from_numpy(part).to(device) for part in table.groups)
            self._positive_M = group_Q[self._query_M] != group_G[self._column_M]
        self._parts: list[tuple[Tensor, ...]] = []

    def add(self, scores_BG: Tensor, start: int, stop: int) -> None:
        """The similarities of the queries start .. stop - 1; they are not needed any more when this returns."""
        first, last = int(self._edges[start]), int(self._edges[stop])
        score_M = scores_BG[self._query_M[first:last] - start, self._column_M[first:last]]
        widest = int(self._number_Q[start:stop].max(initial=0))
        self._parts.append((score_M, *counts(scores_BG, score_M, self._edge[start : stop + 1] - first, widest)))

    def finish(self, ties: Ties) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Ranks, ties with non-matches (int64), similarities, (P,) each; query by query, best first. See `block_ranks`.

        Args:
            ties: any rule but "stable", which asks for places in the gallery.
        """
        score_M, at_least_M, above_M = (torch.cat(part) for part in zip(*self._parts, strict=True))
        # Matches of a query that are equally similar have equal counts above them, and no others have; they stay in
        # gallery order.
        key_M, order_M = torch.sort((self._query_M << COUNT_BITS) + above_M, stable=True)
        score_M, at_least_M, above_M = score_M[order_M], at_least_M[order_M], above_M[order_M]
        place_M = torch.arange(len(key_M), device=key_M.device)
        row_start_M = self._edge[self._query_M]
        run_start_M, run_stop_M = (torch.searchsorted(key_M, key_M, right=right) for right in (False, True))
        until_M = at_least_M - (run_stop_M - row_start_M)
        before_M = above_M - (run_start_M - row_start_M)
        others_M, tied_M = (until_M if ties == "pessimistic" else before_M), until_M - before_M
        if self._positive_M is None:
            found = torch.stack([others_M + (place_M - row_start_M), tied_M])
        else:
            positive_M = self._positive_M[order_M]
            earlier_M = positive_M.cumsum(0) - positive_M.long()
            rank_M = others_M + earlier_M - earlier_M[row_start_M]
            found = torch.stack([rank_M, tied_M])[:, positive_M]
            score_M = score_M[positive_M]
        # Half of the bytes on their way to the host.
        rank_P, tied_P = found.to(torch.int32).cpu().numpy().astype(np.int64)
        return rank_P, tied_P, score_M.cpu().numpy()
