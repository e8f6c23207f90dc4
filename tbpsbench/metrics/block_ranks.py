"""Ranks of the positives within one block of similarities.

Shapes: B queries of the block, G gallery, M matches, R distinct similarities of matches, P positives.
"""

from __future__ import annotations

import numpy as np
import torch

from tbpsbench.metrics.counting import Counting, count
from tbpsbench.metrics.inputs import Array
from tbpsbench.metrics.matching import Matches
from tbpsbench.metrics.ranks import Ties


def block_ranks(
    scores_BG: Array, matches: Matches, ties: Ties, counting: Counting
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of the positives of one block: ranks, ties with non-matches, similarities (P,); row by row, best first.

    Matches, which come row by row in gallery order, are put in order of similarity; those of equal similarity stay in
    gallery order, and such a run shares one threshold.
    Its counts, less the matches among them, are the non-matches before it: `others_before` or, with those of equal
    similarity, `others_until`. The k-th positive of a row comes after these and after k positives.
    """
    row_M, column_M, score_M = matches.row_M, matches.column_M, _gather(scores_BG, matches)
    order_M = _best_first(row_M, score_M)
    row_M, column_M, score_M, positive_M = (
        row_M[order_M],
        column_M[order_M],
        score_M[order_M],
        matches.positive_M[order_M],
    )
    place_M = np.arange(len(row_M))
    new_row_M = np.diff(row_M, prepend=-1) != 0
    new_run_M = new_row_M | np.concatenate([[True], score_M[1:] != score_M[:-1]])[: len(row_M)]
    run_M = np.cumsum(new_run_M) - 1
    start_R = np.flatnonzero(new_run_M)
    stop_R = np.append(start_R[1:], len(row_M))[: len(start_R)]
    row_start_M = np.maximum.accumulate(np.where(new_row_M, place_M, 0))
    edges = np.searchsorted(row_M[start_R], np.arange(len(scores_BG) + 1))

    at_least_R, above_R = count(scores_BG, score_M[start_R], edges, counting)
    others_until_R = at_least_R - (stop_R - row_start_M[start_R])
    others_before_R = above_R - (start_R - row_start_M[start_R])
    tied_R = others_until_R - others_before_R

    others_M = (others_until_R if ties == "pessimistic" else others_before_R)[run_M]
    if ties == "stable":
        for place in np.flatnonzero(positive_M & (tied_R[run_M] > 0)):
            equal = scores_BG[row_M[place], : column_M[place]] == score_M[place].item()
            others_M[place] += int(equal.sum()) - (place - start_R[run_M[place]])
    before_M = np.cumsum(positive_M) - positive_M
    rank_M = others_M + before_M - before_M[row_start_M]
    return rank_M[positive_M], tied_R[run_M][positive_M], score_M[positive_M]


def _best_first(row_M: np.ndarray, score_M: np.ndarray) -> np.ndarray:
    """(M,) places of the matches in the order of rows and of descending similarity; equal ones keep theirs."""
    if score_M.dtype == np.float32:
        # A row and the bits of a similarity, which are in order as integers, make one key: one sort instead of two.
        bits_M = (-score_M).view(np.int32).astype(np.int64)
        falling_M = np.where(bits_M < 0, -(bits_M & 0x7FFFFFFF), bits_M)
        return np.argsort((row_M << 33) + falling_M, kind="stable")
    order_M = np.argsort(-score_M, kind="stable")
    return order_M[np.argsort(row_M[order_M], kind="stable")]


def _gather(scores_BG: Array, matches: Matches) -> np.ndarray:
    """(M,) similarities of the matches."""
    if isinstance(scores_BG, np.ndarray):
        return scores_BG[matches.row_M, matches.column_M]
    row_M, column_M = (torch.from_numpy(index).to(scores_BG.device) for index in (matches.row_M, matches.column_M))
    return scores_BG[row_M, column_M].cpu().numpy()
