"""Where the positives of every query stand in its ranking, and the per-query values that follow from it alone.

Shapes: Q queries, T positives of all queries together. `_Q` means (Q,). Ranks are 0-based.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from tbpsbench.errors import DataError
from tbpsbench.metrics import expected

Ties = Literal["pessimistic", "stable", "optimistic", "expected"]
TIES: tuple[str, ...] = get_args(Ties)


@dataclass(frozen=True, eq=False)
class PositiveRanks:
    """Ranks of all positives of every query: all that R@k, AP and INP need, and the evidence kept with a record.

    The positives of query q are `ranks[offsets[q]:offsets[q + 1]]`, ascending and distinct, at least one.

    Attributes:
        ranks: (T,) int64, 0-based. Under the rule "expected" they are the optimistic ones, and `tied` says how far a
            random order of ties would spread them.
        offsets: (Q + 1,) int64.
        gallery_size: (Q,) int64, gallery items of each query after removals.
        tied: (T,) int64, non-matches with exactly the similarity of this positive.
        ties_rule: how equal similarities were ordered.
        query: (Q,) int64, which query of the input each row is; not 0 .. Q - 1 if queries were skipped.
        skipped: (S,) int64, queries of the input without a match, in ascending order.
    """

    ranks: np.ndarray
    offsets: np.ndarray
    gallery_size: np.ndarray
    tied: np.ndarray
    ties_rule: str
    query: np.ndarray
    skipped: np.ndarray

    def __len__(self) -> int:
        return len(self.gallery_size)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, PositiveRanks):
            return NotImplemented
        mine, theirs = self.to_arrays(), other.to_arrays()
        return all(np.array_equal(mine[name], theirs[name]) for name in mine)

    __hash__ = None  # type: ignore[assignment]

    @property
    def positives(self) -> np.ndarray:
        """(Q,) int64, number of positives of each query."""
        return np.diff(self.offsets)

    @property
    def ties(self) -> int:
        """Queries in which a positive ties with a non-match."""
        return int(np.count_nonzero(np.maximum.reduceat(self.tied, self.offsets[:-1]))) if len(self) else 0

    @property
    def tied_pairs(self) -> int:
        """Pairs of a positive and a non-match with equal similarity."""
        return int(self.tied.sum())

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Plain arrays for `np.savez_compressed`; nothing that needs pickle."""
        return {
            "ranks": self.ranks,
            "offsets": self.offsets,
            "gallery_size": self.gallery_size,
            "tied": self.tied,
            "ties_rule": np.array(self.ties_rule),
            "query": self.query,
            "skipped": self.skipped,
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> PositiveRanks:
        """The inverse of `to_arrays`, with every promise of this class checked.

        Raises:
            DataError: if an array is missing, or the numbers cannot be ranks; names what is wrong.
        """
        names = ("ranks", "offsets", "gallery_size", "tied", "query", "skipped")
        if missing := [name for name in (*names, "ties_rule") if name not in arrays]:
            raise DataError(f"ranks: no array {', '.join(missing)}. The file is damaged or of another version.")
        found = {name: np.asarray(arrays[name]) for name in names}
        for name, array in found.items():
            if array.ndim != 1 or array.dtype.kind not in "iu":
                raise DataError(f"ranks: {name} must be a vector of integers, not {array.dtype} of {array.shape}")
        ranks = cls(ties_rule=str(arrays["ties_rule"]), **{n: a.astype(np.int64, copy=False) for n, a in found.items()})
        if problem := ranks._problem():
            raise DataError(f"ranks: {problem}. The file is damaged or was changed by hand.")
        return ranks

    def _problem(self) -> str | None:
        """The first broken promise, or None."""
        sizes = (len(self.offsets) - 1, len(self.gallery_size), len(self.query))
        if len(set(sizes)) != 1 or len(self.tied) != len(self.ranks):
            return f"lengths disagree (offsets - 1, gallery_size, query: {sizes})"
        outside = ((self.offsets < 0) | (self.offsets > len(self.ranks))).any()  # differences of such may overflow
        if outside or self.offsets[0] != 0 or self.offsets[-1] != len(self.ranks) or (self.positives < 1).any():
            return "offsets do not divide the ranks into at least one per query"
        if self.ties_rule not in TIES:
            return f"ties_rule is {self.ties_rule!r}, not one of {', '.join(TIES)}"
        first = np.zeros(len(self.ranks), bool)
        first[self.offsets[:-1]] = True
        if len(self) and (np.diff(self.ranks)[~first[1:]] <= 0).any():
            return "the ranks of a query do not ascend"
        if (self.ranks < 0).any() or (self.ranks >= np.repeat(self.gallery_size, self.positives)).any():
            return "a rank lies outside its gallery"
        room = np.repeat(self.gallery_size - self.positives, self.positives)
        return "a count of ties is impossible" if ((self.tied < 0) | (self.tied > room)).any() else None

    @classmethod
    def concatenate(cls, parts: Sequence[PositiveRanks]) -> PositiveRanks:
        """Ranks of one set of queries from consecutive pieces of it, for example one per process.

        Queries are renumbered in the order of the pieces.

        Raises:
            DataError: if there is no piece, or the pieces order ties differently.
        """
        if len({part.ties_rule for part in parts}) != 1:
            raise DataError(f"ranks: cannot join pieces with the ties rules {sorted({p.ties_rule for p in parts})}")
        sizes = [len(part) + len(part.skipped) for part in parts]
        starts = np.cumsum([0, *sizes[:-1]])
        positives = np.concatenate([part.positives for part in parts])
        return cls(
            ranks=np.concatenate([part.ranks for part in parts]),
            offsets=np.concatenate([[0], np.cumsum(positives)]).astype(np.int64),
            gallery_size=np.concatenate([part.gallery_size for part in parts]),
            tied=np.concatenate([part.tied for part in parts]),
            ties_rule=parts[0].ties_rule,
            query=np.concatenate([part.query + start for part, start in zip(parts, starts, strict=True)]),
            skipped=np.concatenate([part.skipped + start for part, start in zip(parts, starts, strict=True)]),
        )


def recall_at(ranks: PositiveRanks, ks: Iterable[int] = (1, 5, 10)) -> dict[int, np.ndarray]:
    """R@k: 1 where a positive is among the first k, else 0 (its probability under the rule "expected").

    Args:
        ranks: of Q queries.
        ks: cut-offs, each >= 1.

    Returns:
        k -> (Q,) float64 in 0..1.

    Raises:
        ValueError: if a cut-off is below 1.
    """
    ks = tuple(ks)
    if any(k < 1 for k in ks):
        raise ValueError(f"R@k needs k >= 1, got {ks}")
    if ranks.ties_rule == "expected":
        return {k: expected.recall(ranks.ranks, ranks.tied, ranks.offsets, k) for k in ks}
    first_Q = ranks.ranks[ranks.offsets[:-1]]
    return {k: (first_Q < k).astype(np.float64) for k in ks}


def over_first(ranks: PositiveRanks, value: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """A function of the rank of the first match, e.g. `lambda rank: 1 / (rank + 1)` for the reciprocal rank.

    Args:
        ranks: of Q queries.
        value: 0-based ranks -> their values, of the same shape.

    Returns:
        (Q,) float64; the expectation over the orders of ties under the rule "expected".
    """
    if ranks.ties_rule == "expected":
        return expected.over_first(ranks.ranks, ranks.tied, ranks.offsets, value)
    return np.asarray(value(ranks.ranks[ranks.offsets[:-1]]), dtype=np.float64)


def average_precision(ranks: PositiveRanks) -> np.ndarray:
    """Exact AP: mean over positives of (positives up to and including it) / (1-based rank).

    Returns:
        (Q,) float64 in 0..1; its mean is mAP.
    """
    if ranks.ties_rule == "expected":
        return expected.average_precision(ranks.ranks, ranks.tied, ranks.offsets)
    return _mean_over_positives((_order(ranks) + 1) / (ranks.ranks + 1), ranks)


def trapezoidal_ap(ranks: PositiveRanks) -> np.ndarray:
    """AP as the SSAN line of code computes it: precision averaged with that just before each positive.

    With i positives before a positive of 0-based rank r: ((i + 1) / (r + 1) + i / r) / 2, where i / r is 1 at r = 0.
    Lower than `average_precision` on the same ranking; the two must not be compared.

    Returns:
        (Q,) float64 in 0..1.
    """
    if ranks.ties_rule == "expected":
        return expected.average_precision(ranks.ranks, ranks.tied, ranks.offsets, trapezoidal=True)
    order_T, rank_T = _order(ranks), ranks.ranks
    before_T = np.where(rank_T == 0, 1.0, order_T / np.maximum(rank_T, 1))
    return _mean_over_positives(((order_T + 1) / (rank_T + 1) + before_T) / 2, ranks)


def inverse_negative_penalty(ranks: PositiveRanks) -> np.ndarray:
    """INP: positives / 1-based rank of the last of them (Ye et al. 2021, AGW).

    Returns:
        (Q,) float64 in 0..1; its mean is mINP.
    """
    if ranks.ties_rule == "expected":
        return expected.inverse_negative_penalty(ranks.ranks, ranks.tied, ranks.offsets)
    return ranks.positives / (ranks.ranks[ranks.offsets[1:] - 1] + 1)


def summarize(ranks: PositiveRanks, ks: Iterable[int] = (1, 5, 10)) -> dict[str, float]:
    """The usual row of a table, in percent.

    Returns:
        "R@1", "R@5", "R@10" (for the `ks`), "mAP", "mINP".

    Raises:
        DataError: if there is no query.
    """
    if not len(ranks):
        raise DataError("no query has a match in the gallery: there is nothing to average")
    values = {f"R@{k}": value_Q for k, value_Q in recall_at(ranks, ks).items()}
    values |= {"mAP": average_precision(ranks), "mINP": inverse_negative_penalty(ranks)}
    return {name: 100.0 * float(value_Q.mean()) for name, value_Q in values.items()}


def _order(ranks: PositiveRanks) -> np.ndarray:
    """(T,) number of positives before each positive of its query."""
    return np.arange(len(ranks.ranks)) - np.repeat(ranks.offsets[:-1], ranks.positives)


def _mean_over_positives(value_T: np.ndarray, ranks: PositiveRanks) -> np.ndarray:
    """(Q,) means of (T,) values."""
    return np.add.reduceat(value_T, ranks.offsets[:-1]) / ranks.positives if len(ranks) else np.zeros(0)
