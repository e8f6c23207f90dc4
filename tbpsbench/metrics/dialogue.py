"""Numbers of a dialogue: recall round by round, BRI, and what became right or wrong.

Shapes: R rounds with round 0, which is the search before anything was said; Q queries.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import comb
from typing import Any

import numpy as np

CUTS = (1, 5, 10)


def best_so_far(first_RQ: np.ndarray) -> np.ndarray:
    """(R, Q) best rank up to each round."""
    return np.minimum.accumulate(first_RQ, axis=0)


def round_table(first_RQ: np.ndarray, cuts: Sequence[int] = CUTS) -> list[dict[str, Any]]:
    """R@k in percent after each round: of that round, and the best up to it, which can never fall and hides harm.

    Args:
        first_RQ: rank from 1 of the first match.
    """
    best_RQ = best_so_far(first_RQ)
    return [
        {
            "round": number,
            "instantaneous": {f"R@{k}": 100.0 * float((now_Q <= k).mean()) for k in cuts},
            "cumulative": {f"R@{k}": 100.0 * float((best_Q <= k).mean()) for k in cuts},
        }
        for number, (now_Q, best_Q) in enumerate(zip(first_RQ, best_RQ, strict=True))
    ]


def best_log_rank_integral(first_RQ: np.ndarray) -> float:
    """BRI (PlugIR, Lee et al. 2024): mean over queries and rounds of the logarithm of the best rank so far, by the
    trapezoidal rule; without a round the logarithm of the first rank. Lower is better."""
    log_RQ = np.log(best_so_far(first_RQ).astype(np.float64))
    if len(log_RQ) == 1:
        return float(log_RQ.mean())
    return float(((log_RQ[1:] + log_RQ[:-1]) / 2).mean())


@dataclass(frozen=True)
class Flips:
    """How many queries an interaction made right or wrong at rank 1.

    Attributes:
        right_to_wrong, wrong_to_right: counts.
        p: McNemar's exact two-sided p of both being equally likely.
    """

    right_to_wrong: int
    wrong_to_right: int
    p: float

    @classmethod
    def of(cls, before_Q: np.ndarray, after_Q: np.ndarray) -> Flips:
        """From the ranks of the first match, before and after."""
        lost, won = int(((before_Q == 1) & (after_Q > 1)).sum()), int(((before_Q > 1) & (after_Q == 1)).sum())
        count, fewer = lost + won, min(lost, won)
        tail = sum(comb(count, n) for n in range(fewer + 1)) / 2**count if count else 1.0
        return cls(lost, won, min(1.0, 2 * tail))
