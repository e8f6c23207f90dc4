"""The difference of two systems, each trained with a few seeds and asked the same queries, and how sure it is.

Two things could have come out otherwise: which people were photographed, and which random numbers the trainings drew.
The variance of the difference D of the mean scores is therefore estimated in two parts, as in studies with several
readers and several cases (Obuchowski and Rockette 1995; Hillis 2014), readers being seeds that belong to one system:

    V = V_id + max(0, sum over systems of (s^2 - w) / seeds)

- V_id: variance of the paired, seed-averaged difference over identities, all queries of a person together.
- s^2: variance of a system's scores between its seeds, seeds - 1 degrees of freedom.
- w: the part of s^2 that comes from queries that flip from seed to seed; V_id holds it already.

D / sqrt(V) is referred to Student's t with Satterthwaite's degrees of freedom: two or three seeds say little about s^2,
and the interval is as wide as that ignorance demands.

Two evaluations of the same trained models (one re-ranked, say) share their seeds: then s^2 and w are those of each
model's own difference, and what the seeds do to both alike drops out.

Shapes: S seeds, Q queries, I identities, N draws.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.special import stdtr, stdtrit

from tbpsbench.errors import DataError

DRAWS = 2000
NORMAL_95 = 1.959963984540054
# Numbers of the draw matrix that are held at once.
MAX_HELD = 1 << 22


@dataclass(frozen=True)
class Difference:
    """Mean of A minus mean of B, in the unit of the values.

    Attributes:
        estimate: the difference of the means over seeds and queries.
        low, high: 95 % interval, Student's t.
        p_value: two-sided, of no difference.
        resampled: 95 % interval by resampling identities and seeds, stretched as the t interval is; None without draws.
        standard_error, df: of the estimate.
        identity_error, seed_error: standard errors of the two parts.
        identities, queries: counts.
        seeds: of A and of B.
        basis: whose seeds tell the variance between seeds: "both", "one" (it stands for the other, too), or "none"
            (the interval is over identities alone).
    """

    estimate: float
    low: float
    high: float
    p_value: float
    resampled: tuple[float, float] | None
    standard_error: float
    df: float
    identity_error: float
    seed_error: float
    identities: int
    queries: int
    seeds: tuple[int, int]
    basis: Literal["both", "one", "none"]


@dataclass(frozen=True)
class _Side:
    """One system: deviations of its identities and of its seeds.

    `between` is s^2 and `within` is w; both None for a single seed.
    """

    seeds: int
    mean: float
    identity_I: np.ndarray
    seed_S: np.ndarray
    between: float | None
    within: float | None


def difference(
    a_SQ: np.ndarray,
    b_SQ: np.ndarray,
    identity_Q: np.ndarray,
    *,
    paired: bool = False,
    draws: int = DRAWS,
    seed: int = 0,
) -> Difference:
    """Compare two systems on the same queries.

    Args:
        a_SQ, b_SQ: values of each seed and query; the numbers of seeds may differ.
        identity_Q: identity of each query.
        paired: row i of both is one trained model, evaluated in two ways.
        draws: of the resampling; 0 leaves it out.
        seed: of the draws.

    Raises:
        DataError: if there are fewer than two identities.
        ValueError: if the shapes do not fit.
    """
    a_SQ, b_SQ = np.asarray(a_SQ, np.float64), np.asarray(b_SQ, np.float64)
    if a_SQ.ndim != 2 or b_SQ.ndim != 2 or not a_SQ.shape[1] == b_SQ.shape[1] == len(identity_Q):
        raise ValueError(f"values {a_SQ.shape} and {b_SQ.shape} for {len(identity_Q)} queries: (seeds, queries) each")
    _, code_Q = np.unique(np.asarray(identity_Q), return_inverse=True)
    identities = int(code_Q.max(initial=-1)) + 1
    if identities < 2:
        raise DataError(f"{identities} identity: a comparison needs at least two, better fifty")
    if paired and a_SQ.shape != b_SQ.shape:
        raise ValueError(f"values {a_SQ.shape} and {b_SQ.shape} cannot be paired: one model has one row in both")
    if paired:
        sides = [_side(a_SQ - b_SQ, code_Q, identities)]
    else:
        sides = [_side(a_SQ, code_Q, identities), _side(b_SQ, code_Q, identities)]
    estimate = sides[0].mean - sum(side.mean for side in sides[1:])
    deviation_I = sides[0].identity_I - sum(side.identity_I for side in sides[1:])
    identity_part = float(deviation_I @ deviation_I) / (identities * (identities - 1))
    parts = _seed_parts(sides)
    seed_part = max(0.0, sum(between - within for between, within, _ in parts))
    variance = identity_part + seed_part
    doubt = identity_part**2 / (identities - 1) + sum(between**2 / df for between, _, df in parts)
    df = variance**2 / doubt if doubt > 0 else float(identities - 1)
    error = math.sqrt(variance)
    reach = float(stdtrit(df, 0.975)) if error else 0.0
    # With less than one degree of freedom an interval reaches beyond what any values could give.
    lowest, highest = float(a_SQ.min() - b_SQ.max()), float(a_SQ.max() - b_SQ.min())
    resampled = None
    if draws:
        total = sum(between for between, _, _ in parts)
        scale = math.sqrt(seed_part / total) if total else 0.0
        generator = np.random.default_rng(seed)
        drawn_N = _resample(generator, deviation_I, draws) + scale * _resample_seeds(generator, sides, draws)
        ends = np.quantile(drawn_N, [0.025, 0.975]) * (reach / NORMAL_95)
        resampled = (max(estimate + float(ends[0]), lowest), min(estimate + float(ends[1]), highest))
    return Difference(
        estimate=estimate,
        low=max(estimate - reach * error, lowest),
        high=min(estimate + reach * error, highest),
        p_value=2 * float(stdtr(df, -abs(estimate / error))) if error else float(estimate == 0),
        resampled=resampled,
        standard_error=error,
        df=df,
        identity_error=math.sqrt(identity_part),
        seed_error=math.sqrt(seed_part),
        identities=identities,
        queries=len(code_Q),
        seeds=(len(a_SQ), len(b_SQ)),
        basis="both" if min(len(a_SQ), len(b_SQ)) > 1 else "one" if max(len(a_SQ), len(b_SQ)) > 1 else "none",
    )


def _side(value_SQ: np.ndarray, code_Q: np.ndarray, identities: int) -> _Side:
    seeds, queries = value_SQ.shape
    mean_S = value_SQ.mean(axis=1)
    # What an identity adds to its seed's mean, as a mean over identities: the linear part of a ratio of sums.
    sum_SI = np.stack([np.bincount(code_Q, row_Q, identities) for row_Q in value_SQ - mean_S[:, None]])
    own_SI = sum_SI * (identities / queries)
    own_I = own_SI.mean(axis=0)
    between = within = None
    if seeds > 1:
        between = float(mean_S.var(ddof=1))
        within = float(((own_SI - own_I) ** 2).sum()) / ((seeds - 1) * (identities - 1) * identities)
    return _Side(seeds, float(mean_S.mean()), own_I, mean_S - mean_S.mean(), between, within)


def _seed_parts(sides: list[_Side]) -> list[tuple[float, float, int]]:
    """(s^2 / seeds, w / seeds, degrees of freedom) of each independent estimate."""
    known = [side for side in sides if side.between is not None]
    if len(known) == 1:
        # One variance stands for both systems: a single estimate, hence one entry.
        share = sum(1 / side.seeds for side in sides)
        return [(known[0].between * share, known[0].within * share, known[0].seeds - 1)]  # type: ignore[operator]
    return [(side.between / side.seeds, side.within / side.seeds, side.seeds - 1) for side in known]  # type: ignore[operator]


def _resample(generator: np.random.Generator, deviation_I: np.ndarray, draws: int) -> np.ndarray:
    """(N,) means of identities drawn with replacement."""
    identities = len(deviation_I)
    share_I = np.full(identities, 1 / identities)
    step = max(1, MAX_HELD // identities)
    means = [
        generator.multinomial(identities, share_I, size=min(step, draws - start)) @ deviation_I / identities
        for start in range(0, draws, step)
    ]
    return np.concatenate(means)


def _resample_seeds(generator: np.random.Generator, sides: list[_Side], draws: int) -> np.ndarray:
    """(N,) differences of the means of redrawn seeds.

    S - 1 of S seeds are drawn (Rao and Wu 1988): all S would make the variance too small by (S - 1) / S, a third for
    three seeds.
    """
    total_N = np.zeros(draws)
    for side, other, sign in zip(sides, reversed(sides), (1, -1), strict=False):
        source = side if side.seeds > 1 else other
        if source.seeds > 1:
            drawn = generator.choice(source.seed_S, size=(draws, source.seeds - 1))
            total_N += drawn.mean(axis=1) * math.sqrt(source.seeds / side.seeds) * sign
    return total_N
