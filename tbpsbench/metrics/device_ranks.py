"""Ranks of the positives where the similarities lie, on a GPU say: the host waits for the device once, at the end.

The same counts and the same arithmetic as `block_ranks`, for all queries together.

Shapes: B queries of a block, G gallery, M matches of all queries, P positives.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from tbpsbench.kernels.counting import counts
from tbpsbench.metrics.matching import MatchTable
from tbpsbench.metrics.ranks import Ties


class DeviceRanks:
    """Takes blocks of similarities in order, then gives the ranks.

    Args:
        table: the matches of all queries.
        device: of the similarities.
    """

    def __init__(self, table: MatchTable, device: torch.device) -> None:
        self._matches_Q = table.matches_Q
        self._order_G, self._start_Q, self._count_Q = (
            torch.from_numpy(part).to(device) for part in (table.order_G, table.start_Q, table.matches_Q)
        )
        self._groups = None if table.groups is None else [torch.from_numpy(part).to(device) for part in table.groups]
        self._parts: list[tuple[Tensor, ...]] = []

    def add(self, scores_BG: Tensor, start: int, stop: int) -> None:
        """The similarities of the queries start .. stop - 1; they are not needed any more when this returns."""
        number_B, device = self._count_Q[start:stop], scores_BG.device
        total, widest = int(self._matches_Q[start:stop].sum()), int(self._matches_Q[start:stop].max(initial=0))
        edge_B1 = torch.nn.functional.pad(number_B.cumsum(0), (1, 0))
        row_M = torch.repeat_interleave(torch.arange(stop - start, device=device), number_B, output_size=total)
        place_M = torch.arange(total, device=device) - edge_B1[row_M]
        column_M = self._order_G[self._start_Q[start:stop][row_M] + place_M]
        score_M = scores_BG[row_M, column_M]
        positive_M = torch.ones(total, dtype=torch.bool, device=device)
        if self._groups is not None:
            group_Q, group_G = self._groups
            positive_M = group_Q[start:stop][row_M] != group_G[column_M]
        at_least_M, above_M = counts(scores_BG, score_M, edge_B1, widest)
        self._parts.append((row_M + start, score_M, positive_M, at_least_M, above_M))

    def finish(self, ties: Ties) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Ranks, ties with non-matches, similarities (P,); query by query, best first. See `block_ranks`.

        Args:
            ties: any rule but "stable", which asks for places in the gallery.
        """
        query_M, score_M, positive_M, at_least_M, above_M = (torch.cat(part) for part in zip(*self._parts, strict=True))
        order_M = torch.argsort(score_M, descending=True, stable=True)
        order_M = order_M[torch.argsort(query_M[order_M], stable=True)]
        query_M, score_M, positive_M, at_least_M, above_M = (
            part[order_M] for part in (query_M, score_M, positive_M, at_least_M, above_M)
        )
        place_M = torch.arange(len(query_M), device=query_M.device)
        new_row_M, new_run_M = torch.ones_like(positive_M), torch.ones_like(positive_M)
        new_row_M[1:] = query_M[1:] != query_M[:-1]
        new_run_M[1:] = new_row_M[1:] | (score_M[1:] != score_M[:-1])
        row_start_M, run_start_M = (_latest(place_M, new_M) for new_M in (new_row_M, new_run_M))
        run_stop_M = _next(place_M, new_run_M)
        until_M = at_least_M - (run_stop_M - row_start_M)
        before_M = above_M - (run_start_M - row_start_M)
        earlier_M = positive_M.cumsum(0) - positive_M.long()
        rank_M = (until_M if ties == "pessimistic" else before_M) + earlier_M - earlier_M[row_start_M]
        found = (part[positive_M] for part in (rank_M, until_M - before_M, score_M))
        return tuple(part.cpu().numpy() for part in found)  # type: ignore[return-value]


def _latest(place_M: Tensor, new_M: Tensor) -> Tensor:
    """For each place the last one up to it where something new begins; the first place is one."""
    return torch.where(new_M, place_M, 0).cummax(0).values if len(place_M) else place_M


def _next(place_M: Tensor, new_M: Tensor) -> Tensor:
    """For each place the first one behind it where something new begins, or the end."""
    if not len(place_M):
        return place_M
    begins_M = torch.where(new_M, place_M, len(place_M))
    behind_M = torch.nn.functional.pad(begins_M[1:], (0, 1), value=len(place_M))
    return behind_M.flip(0).cummin(0).values.flip(0)
