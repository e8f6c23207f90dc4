"""Hits and misses of imagined systems: what a test of two systems meets, with the truth known.

A query is hit where a sum of normal effects is positive: how hard the person is, how hard the caption is, what this
system finds hard about both, and what this training run makes of it. A run shifts all queries a little, some people
more, and flips queries that are near the edge. Effects of a person are shared by all of the person's queries.

Shapes: S seeds, Q queries, I identities.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from tbpsbench.leaderboard.compare.statistics import Difference, difference


@dataclass(frozen=True)
class Size:
    """Identities and queries of a test split."""

    identities: int
    queries: int


SIZES = {
    "MiniPEDES": Size(51, 510),
    "RSTPReid": Size(200, 2000),
    "CUHK-PEDES": Size(1000, 6156),
}


@dataclass(frozen=True)
class World:
    """Standard deviations of the effects; the caption's own difficulty is 1.

    With the defaults two seeds of a system disagree on 15 % of the queries, and two systems of equal score on 23 %.
    Scores of seeds vary by 0.75 points (standard deviation) at the size of CUHK-PEDES, by 0.94 at RSTPReid's and by 1.4
    at MiniPEDES', where fewer flips average out.

    Attributes:
        identity: of a person.
        system_identity, system_query: what one system finds hard and another does not.
        seed_identity, seed_query: what one training run finds hard and the next does not; flips queries.
        seed: shift of a whole run, in points of R@1.
    """

    identity: float = 0.7
    system_identity: float = 0.3
    system_query: float = 0.45
    seed_identity: float = 0.15
    seed_query: float = 0.45
    seed: float = 0.7

    @property
    def spread(self) -> float:
        """Standard deviation of the sum, the shift of a run left out."""
        others = (self.identity, self.system_identity, self.system_query, self.seed_identity, self.seed_query)
        return math.sqrt(1 + sum(effect**2 for effect in others))


def draw(
    rng: np.random.Generator,
    size: Size,
    seeds: tuple[int, int],
    scores: tuple[float, float],
    *,
    same: bool = False,
    world: World | None = None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """One imagined study: new people, new systems, new trainings.

    Args:
        rng: of everything.
        size: of the test split.
        seeds: of A and of B.
        scores: expected R@1 of A and of B in percent.
        same: A and B are one system; the scores must then be equal.
        world: the effects.

    Returns:
        (S, Q) hits of A in percent, those of B, and the identity of each query.
    """
    world = world or World()
    others = rng.integers(size.identities, size=size.queries - size.identities)
    identity_Q = np.sort(np.concatenate([np.arange(size.identities), others]))

    def effect(count: int, person: float, query: float) -> np.ndarray:
        person_SI = rng.standard_normal((count, size.identities), dtype=np.float32) * person
        return person_SI[:, identity_Q] + rng.standard_normal((count, size.queries), dtype=np.float32) * query

    shared_Q = effect(1, world.identity, 1.0)
    system_Q = effect(2, world.system_identity, world.system_query)
    hits = []
    for side, (count, score) in enumerate(zip(seeds, scores, strict=True)):
        quantile = NormalDist().inv_cdf(score / 100)
        # Points of R@1 for a shift of all queries by one: the density at the edge.
        slope = 100 * NormalDist().pdf(quantile) / world.spread
        latent_SQ = shared_Q + system_Q[0 if same else side] + effect(count, world.seed_identity, world.seed_query)
        shift_S = rng.standard_normal(count) * world.seed / slope
        hits.append(100.0 * (latent_SQ + shift_S[:, None] + quantile * world.spread > 0))
    return hits[0], hits[1], identity_Q


def rejections(
    repeats: int,
    size: Size,
    seeds: tuple[int, int] = (3, 3),
    *,
    gap: float = 0.0,
    same: bool = False,
    score: float = 60.0,
    world: World | None = None,
    seed: int = 0,
    test: Callable[..., Difference] = difference,
) -> float:
    """Share of imagined studies in which the test claims a difference (p < 0.05) in the right direction or any.

    A gap of 0 gives the rate of false claims, another gap the power (a claim of the wrong sign does not count).
    """
    rng = np.random.default_rng(seed)
    claims = 0
    for _ in range(repeats):
        a_SQ, b_SQ, identity_Q = draw(rng, size, seeds, (score + gap, score), same=same, world=world)
        found = test(a_SQ, b_SQ, identity_Q, draws=0)
        claims += found.p_value < 0.05 and (gap == 0 or found.estimate * gap > 0)
    return claims / repeats
