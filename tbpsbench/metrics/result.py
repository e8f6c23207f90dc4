"""What an evaluation found: scores of every protocol, with the ranks that they follow from.

Shapes: Q queries.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tbpsbench import registry
from tbpsbench.errors import RegistryError
from tbpsbench.metrics.ranks import PositiveRanks

# Sums of fractions may leave 0..1 by a last bit.
ROUNDING = 1e-9


@dataclass
class Result:
    """Scores of one protocol in one direction, with the evidence they follow from.

    Attributes:
        name: protocol, with " (image-to-text)" for the other direction.
        scores: metric -> percent, of the weighted sum of the heads.
        head_scores: head -> metric -> percent, each head alone; empty for a single head.
        per_query: metric -> (Q,) fractions.
        ranks: ranks of all positives.
        query_pids: (Q,) identity of each query, in the order of `ranks`.
        query_ids: (Q,) caption_id (or image_id) of each query, in the order of `ranks`.
        queries, gallery, identities: counts of what was evaluated.
    """

    name: str
    scores: dict[str, float]
    head_scores: dict[str, dict[str, float]]
    per_query: dict[str, np.ndarray]
    ranks: PositiveRanks
    query_pids: np.ndarray
    query_ids: np.ndarray
    queries: int
    gallery: int
    identities: int


@dataclass
class Evaluation:
    """What one call of `evaluate` found.

    Attributes:
        split: the split that was evaluated.
        track: derived from what was passed (protocol.md section 3).
        results: by name of protocol.
        leaks: what the leak guard saw and `allow_leak` let pass.
        speed: images and captions embedded per second, and seconds for ranking.
        index_bytes: size of the gallery's joint embeddings.
        rerank: what re-ranked the results, in order: "component", and whether it is "transductive".
        rerank_cost: by name of protocol.
        interaction: who was asked about the queries, and the report of each protocol.
        compared: what a head gives: "cosines", or "scores" where one compares otherwise.
        distractors: number and hash of the pictures behind the gallery, where a protocol has any.
    """

    split: str
    track: str
    results: dict[str, Result]
    leaks: list[str] = field(default_factory=list)
    speed: dict[str, float] = field(default_factory=dict)
    index_bytes: int = 0
    rerank: list[dict[str, Any]] = field(default_factory=list)
    rerank_cost: dict[str, dict[str, float]] = field(default_factory=dict)
    interaction: dict[str, Any] | None = None
    compared: str = "cosines"
    distractors: dict[str, Any] | None = None

    def flat(self) -> dict[str, float]:
        """See the function of this name."""
        return flat(self.results)


def flat(results: Mapping[str, Result]) -> dict[str, float]:
    """Scores as one dict: the first protocol's keys bare, the others' as "protocol/key"."""
    found: dict[str, float] = {}
    for position, (name, result) in enumerate(results.items()):
        found |= {key if position == 0 else f"{name}/{key}": value for key, value in result.scores.items()}
    return found


def per_query_values(ranks: PositiveRanks, metrics: Sequence[Mapping[str, Any]]) -> dict[str, np.ndarray]:
    """Column -> (Q,) fractions, of every configured metric.

    Args:
        ranks: of one protocol.
        metrics: METRICS components.

    Raises:
        RegistryError: if a metric cannot be built, gives a column that another one gave before it, or breaks the
            promise of its base: (Q,) fractions in 0..1.
    """
    values: dict[str, np.ndarray] = {}
    giver: dict[str, str] = {}
    for position, config in enumerate(metrics):
        place = f"evaluation.metrics.{position}"
        own = registry.METRICS.build(config, place).per_query(ranks)
        if not isinstance(own, Mapping) or not own:
            raise RegistryError(f"{place}: {config['type']} gives no score at all")
        for column, value_Q in own.items():
            if not isinstance(column, str) or not column.strip() or not column.isprintable():
                raise RegistryError(f"{place}: {config['type']} calls a score {column!r:.80}, expected a name")
            if column in giver:
                message = f"{config['type']} gives the score {column!r}, which {giver[column]} gave already"
                raise RegistryError(f"{place}: {message}. Remove one of them, or let it call its score otherwise.")
            giver[column], values[column] = config["type"], _fractions(value_Q, len(ranks), f"{place}: {column}")
    return values


def _fractions(given: Any, count: int, what: str) -> np.ndarray:
    """(Q,) float64 in 0..1, as every metric promises."""
    value_Q = np.asarray(given)
    if value_Q.shape != (count,) or value_Q.dtype.kind not in "fiub":
        raise RegistryError(f"{what}: expected {count} numbers, one a query, got {value_Q.dtype} of {value_Q.shape}")
    value_Q = value_Q.astype(np.float64, copy=False)
    if not ((value_Q >= -ROUNDING) & (value_Q <= 1 + ROUNDING)).all():  # NaN is neither
        raise RegistryError(
            f"{what}: a metric gives fractions from 0 to 1, this one {value_Q.min()} to {value_Q.max()}"
        )
    return value_Q


def percent(per_query: Mapping[str, np.ndarray]) -> dict[str, float]:
    """Means over the queries, in percent."""
    return {key: 100.0 * float(values.mean()) for key, values in per_query.items()}
