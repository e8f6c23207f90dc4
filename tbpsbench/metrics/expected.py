"""Exact expectations of R@k, AP, INP and functions of the first match when equal similarities are in random order.

A tie group holds m positives and n non-matches of equal similarity, below `above` items of which `found` are positives.
All (m + n)! orders are equally likely; positions x inside the group run from 1 to N = m + n. McSherry and Najork (2008)
give the same idea for AP; the closed forms below are derived in the comments.

Shapes: Q queries, T positives, G tie groups; optimistic 0-based ranks. Where no positive ties with a non-match the
values equal those of any other rule.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy.special import digamma, gammaln

# Products of more factors than this are taken from factorials.
MAX_FACTORS = 1000


class TieGroups(NamedTuple):
    """Tie groups, best first, query by query; each field is (G,) int64.

    Attributes:
        above: items of the ranking before the group.
        found: positives before the group.
        positives, others: positives and non-matches that share the similarity.
        query: row of the query.
    """

    above: np.ndarray
    found: np.ndarray
    positives: np.ndarray
    others: np.ndarray
    query: np.ndarray


def tie_groups(rank_T: np.ndarray, tied_T: np.ndarray, offsets: np.ndarray) -> TieGroups:
    """The tie groups of all queries.

    Optimistic ranks put the n non-matches of a group behind its positives, so a positive belongs to the group of the
    one before it exactly if it follows at once. Positives that tie with no non-match may be split: their order is free.

    Args:
        rank_T: optimistic ranks, ascending within a query.
        tied_T: non-matches with the similarity of each positive.
        offsets: (Q + 1,) positives of query q are `rank_T[offsets[q]:offsets[q + 1]]`.
    """
    follows_T = np.zeros(len(rank_T), bool)
    follows_T[1:] = (tied_T[1:] == tied_T[:-1]) & (tied_T[1:] > 0) & (rank_T[1:] == rank_T[:-1] + 1)
    follows_T[offsets[:-1]] = False
    start_G = np.flatnonzero(~follows_T)
    query_G = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))[start_G]
    size_G = np.diff(np.append(start_G, len(rank_T)))
    return TieGroups(rank_T[start_G], start_G - offsets[query_G], size_G, tied_T[start_G], query_G)


def recall(rank_T: np.ndarray, tied_T: np.ndarray, offsets: np.ndarray, k: int) -> np.ndarray:
    """(Q,) probability that a positive is among the first k.

    Of the best tie group s = min(k - above, N) places lie within the first k; all of them go to non-matches with
    probability C(n, s) / C(N, s), the product over j < s of (n - j) / (N - j).
    """
    groups = _pick(tie_groups(rank_T, tied_T, offsets), first=True)
    value_Q = (groups.above < k).astype(np.float64)
    for query in np.flatnonzero((value_Q > 0) & (groups.others > 0)).tolist():
        above, _, positives, others, _ = (int(values[query]) for values in groups)
        places, size = min(k - above, positives + others), positives + others
        if places > others:
            continue  # some place goes to a positive
        if places <= MAX_FACTORS:
            j = np.arange(places)
            missed = float(np.prod((others - j) / (size - j)))
        else:
            missed = float(np.exp(_log_falling(others, places) - _log_falling(size, places)))
        value_Q[query] = 1.0 - missed
    return value_Q


def over_first(
    rank_T: np.ndarray, tied_T: np.ndarray, offsets: np.ndarray, value: Callable[[np.ndarray], np.ndarray]
) -> np.ndarray:
    """(Q,) expectation of a function of the rank of the first positive, such as its reciprocal.

    The first of m positives stands at place x of the best group with probability C(N - x, m - 1) / C(N, m). From x = 1
    upwards: P(1) = m / N, and P(x + 1) = P(x) (n + 1 - x) / (N - x).

    Args:
        rank_T, tied_T, offsets: as in PositiveRanks under the rule "expected".
        value: 0-based ranks -> their values, of the same shape.
    """
    groups = _pick(tie_groups(rank_T, tied_T, offsets), first=True)
    value_Q = np.asarray(value(groups.above), dtype=np.float64).copy()
    for query in np.flatnonzero(groups.others > 0).tolist():
        above, _, m, others, _ = (int(values[query]) for values in groups)
        size, place = m + others, np.arange(1, others + 1)
        chance = np.cumprod(np.concatenate([[m / size], (others + 1 - place) / (size - place)]))
        value_Q[query] = float((chance * value(above + np.arange(others + 1))).sum())
    return value_Q


def average_precision(
    rank_T: np.ndarray, tied_T: np.ndarray, offsets: np.ndarray, *, trapezoidal: bool = False
) -> np.ndarray:
    """(Q,) expected AP.

    Place x of a group holds a positive with probability m / N; then the x - 1 places before it hold
    (x - 1) (m - 1) / (N - 1) positives on average, and precision is linear in that number. With c = (m - 1) / (N - 1)
    the precision is (found + 1 + (x - 1) c) / (above + x) = c + (found + 1 - c - c above) / (above + x), and the sum
    of 1 / (above + x) over the places is a difference of harmonic numbers.

    Args:
        rank_T, tied_T, offsets: as in PositiveRanks under the rule "expected".
        trapezoidal: average with the precision just before the positive, as `ranks.trapezoidal_ap` does.
    """
    groups = tie_groups(rank_T, tied_T, offsets)
    above, found, positives, others, _ = groups
    size = positives + others
    slope = (positives - 1) / np.maximum(size - 1, 1)
    harmonic = digamma(above + size + 1) - digamma(above + 1)
    mean_G = slope + (found + 1 - slope - slope * above) * harmonic / size
    mean_G = np.where(others > 0, mean_G, (found + 1) / (above + 1))
    if trapezoidal:
        # The same one place earlier; before the first item of all, precision counts as 1.
        low = np.maximum(above, 1)
        harmonic = digamma(low + size) - digamma(low)
        before_G = slope + (found - slope * above) * harmonic / size
        before_G = np.where(others > 0, before_G, found / low)
        before_G = np.where(above > 0, before_G, (1 + slope * (size - 1)) / size)
        mean_G = (mean_G + before_G) / 2
    total_Q = np.bincount(groups.query, mean_G * positives, minlength=len(offsets) - 1)
    return total_Q / np.diff(offsets)


def inverse_negative_penalty(rank_T: np.ndarray, tied_T: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """(Q,) expected INP.

    The last of m positives stands at place l of the last group with probability C(l - 1, m - 1) / C(N, m). From l = N
    downwards: P(N) = m / N, and P(l) = P(l + 1) (l + 1 - m) / l.
    """
    groups, count_Q = _pick(tie_groups(rank_T, tied_T, offsets), first=False), np.diff(offsets)
    value_Q = count_Q / (groups.above + groups.positives)
    for query in np.flatnonzero(groups.others > 0).tolist():
        above, _, m, others, _ = (int(values[query]) for values in groups)
        size = m + others
        place = np.arange(size, m - 1, -1)
        steps = np.concatenate([[m / size], (place[1:] + 1 - m) / place[1:]])
        value_Q[query] = count_Q[query] * float((np.cumprod(steps) / (above + place)).sum())
    return value_Q


def _pick(groups: TieGroups, *, first: bool) -> TieGroups:
    """The first or last group of every query."""
    if not len(groups.query):
        return groups
    edge = np.flatnonzero(np.diff(groups.query)) + 1
    at_Q = np.concatenate([[0], edge]) if first else np.concatenate([edge, [len(groups.query)]]) - 1
    return TieGroups(*(values[at_Q] for values in groups))


def _log_falling(size: int, factors: int) -> float:
    """Logarithm of size (size - 1) ... (size - factors + 1)."""
    return float(gammaln(size + 1) - gammaln(size - factors + 1))
