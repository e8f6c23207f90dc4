"""Confidence interval of a mean over queries, by resampling identities.

Queries of one person succeed and fail together, so identities are drawn with replacement, each with all its queries;
drawing queries one by one would give intervals that are too narrow.

Shapes: Q queries, I identities, N draws.
"""

from __future__ import annotations

import numpy as np

from tbpsbench.metrics.matching import Labels, as_array

# How often identities are drawn.
DRAWS = 1000
# Numbers of the draw matrix that are held at once.
MAX_HELD = 1 << 22


def bootstrap_interval(
    per_query: np.ndarray, groups: Labels, *, draws: int = DRAWS, level: float = 0.95, seed: int = 0
) -> tuple[float, float]:
    """Percentile interval of the mean of `per_query` under the cluster bootstrap.

    Args:
        per_query: (Q,) values, in any unit.
        groups: (Q,) identity of each query.
        draws: N, number of resamples.
        level: probability mass between the ends, between 0 and 1.
        seed: of the draws; the same seed gives the same interval.

    Returns:
        (low, high) in the unit of `per_query`. With one identity both are its mean.

    Raises:
        ValueError: if lengths disagree, there is no query, or `draws` or `level` is out of range.
    """
    value_Q, group_Q = np.asarray(per_query, np.float64), as_array(groups)
    if value_Q.ndim != 1 or value_Q.shape != group_Q.shape or not len(value_Q):
        raise ValueError(
            f"per_query {value_Q.shape} and groups {group_Q.shape} must be vectors of equal length, not empty"
        )
    if draws < 1 or not 0 < level < 1:
        raise ValueError(f"draws must be at least 1 and level between 0 and 1, got {draws} and {level}")
    _, code_Q, count_I = np.unique(group_Q, return_inverse=True, return_counts=True)
    sum_I = np.bincount(code_Q, value_Q)
    identities = len(sum_I)
    generator = np.random.default_rng(seed)
    share_I = np.full(identities, 1 / identities)
    step = max(1, MAX_HELD // identities)
    means = []
    for start in range(0, draws, step):
        times_NI = generator.multinomial(identities, share_I, size=min(step, draws - start)).astype(np.float64)
        means.append((times_NI @ sum_I) / (times_NI @ count_I))
    low, high = np.quantile(np.concatenate(means), [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
