"""Exact expectations of R@k, AP and INP when equal similarities are put in random order.

A tie group holds m positives and n non-matches of equal similarity, below `above` items of which `found` are positives.
All (m + n)! orders are equally likely; positions x inside the group run from 1 to N = m + n. McSherry and Najork (2008)
give the same idea for AP; the closed forms below are derived in the comments.

Shapes: Q queries, T positives; optimistic 0-based ranks. Where no positive ties with a non-match the values equal those
of any other rule.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

import numpy as np


class TieGroup(NamedTuple):
    """Positives of one query that share a similarity."""

    above: int
    found: int
    positives: int
    others: int


def tie_groups(rank_P: np.ndarray, tied_P: np.ndarray) -> Iterator[TieGroup]:
    """The tie groups of one query, best first.

    Optimistic ranks put the n non-matches of a group behind its positives, so a positive belongs to the group of the
    one before it exactly if it follows at once. Positives that tie with no non-match may be split: their order is free.

    Args:
        rank_P: optimistic ranks, ascending.
        tied_P: non-matches with the similarity of each positive.
    """
    start = 0
    for stop in range(1, len(rank_P) + 1):
        if stop < len(rank_P) and tied_P[stop] == tied_P[start] > 0 and rank_P[stop] == rank_P[stop - 1] + 1:
            continue
        yield TieGroup(int(rank_P[start]), start, stop - start, int(tied_P[start]))
        start = stop


def recall(rank_T: np.ndarray, tied_T: np.ndarray, offsets: np.ndarray, k: int) -> np.ndarray:
    """(Q,) probability that a positive is among the first k.

    Of the best tie group s = min(k - above, N) places lie within the first k; all of them go to non-matches with
    probability C(n, s) / C(N, s), the product over j < s of (n - j) / (N - j).
    """
    value_Q = np.empty(len(offsets) - 1)
    for query, (start, stop) in enumerate(pairwise(offsets.tolist())):
        group = next(tie_groups(rank_T[start:stop], tied_T[start:stop]))
        size = group.positives + group.others
        j = np.arange(max(0, min(k - group.above, size)))
        value_Q[query] = 1.0 - np.prod(np.maximum(group.others - j, 0) / (size - j))
    return value_Q


def average_precision(
    rank_T: np.ndarray, tied_T: np.ndarray, offsets: np.ndarray, *, trapezoidal: bool = False
) -> np.ndarray:
    """(Q,) expected AP.

    Place x of a group holds a positive with probability m / N; then the x - 1 places before it hold
    (x - 1) (m - 1) / (N - 1) positives on average, and precision is linear in that number.

    Args:
        rank_T, tied_T, offsets: as in PositiveRanks under the rule "expected".
        trapezoidal: average with the precision just before the positive, as `ranks.trapezoidal_ap` does.
    """
    value_Q = np.empty(len(offsets) - 1)
    for query, (start, stop) in enumerate(pairwise(offsets.tolist())):
        total = 0.0
        for group in tie_groups(rank_T[start:stop], tied_T[start:stop]):
            size = group.positives + group.others
            x = np.arange(1, size + 1)
            before = group.found + (x - 1) * ((group.positives - 1) / max(size - 1, 1))
            precision = (before + 1) / (group.above + x)
            if trapezoidal:
                rank = group.above + x - 1
                precision = (precision + np.where(rank == 0, 1.0, before / np.maximum(rank, 1))) / 2
            total += float(precision.mean()) * group.positives
        value_Q[query] = total / (stop - start)
    return value_Q


def inverse_negative_penalty(rank_T: np.ndarray, tied_T: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """(Q,) expected INP.

    The last of m positives stands at place l of the last group with probability C(l - 1, m - 1) / C(N, m). From l = N
    downwards: P(N) = m / N, and P(l) = P(l + 1) (l + 1 - m) / l.
    """
    value_Q = np.empty(len(offsets) - 1)
    for query, (start, stop) in enumerate(pairwise(offsets.tolist())):
        *_, group = tie_groups(rank_T[start:stop], tied_T[start:stop])
        size, m = group.positives + group.others, group.positives
        place = np.arange(size, m - 1, -1)
        steps = np.concatenate([[m / size], (place[1:] + 1 - m) / place[1:]])
        value_Q[query] = (stop - start) * float((np.cumprod(steps) / (group.above + place)).sum())
    return value_Q
