"""A bound that rules most scores out where the highest few of many are wanted.

Shapes: B rows, G scores of a row.
"""

from __future__ import annotations

import numpy as np

# Scores of which the highest alone is looked at first.
GROUP = 32


def reached(score_BG: np.ndarray, k: int) -> np.ndarray:
    """(B,) a score that at least k of a row reach, and not many more; k <= G.

    It is the k-th highest maximum of groups of scores: a pass over all, and a selection among the few maxima alone.
    """
    groups = score_BG.shape[1] // GROUP
    if groups < 4 * k:
        return np.partition(score_BG, -k, axis=1)[:, -k]
    most_BM = score_BG[:, : groups * GROUP].reshape(len(score_BG), GROUP, groups).max(axis=1)
    return np.partition(most_BM, -k, axis=1)[:, -k]
