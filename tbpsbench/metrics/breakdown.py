"""A metric split by a property of the query: words of its caption, its style, an attribute of the person.

Shapes: Q queries.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import TypedDict

import numpy as np

WORD_EDGES = (10, 20, 30, 40)


class Share(TypedDict):
    """One group of queries: their mean and their number."""

    mean: float
    queries: int


def by_group(per_query: np.ndarray, labels: Sequence[Hashable]) -> dict[Hashable, Share]:
    """Mean of a metric within each group of queries.

    Args:
        per_query: (Q,) values, in any unit.
        labels: (Q,) group of each query.

    Returns:
        label -> mean and number of its queries, in order of first appearance. The means weighted by the numbers give
        the mean over all queries.

    Raises:
        ValueError: if lengths disagree.
    """
    rows: dict[Hashable, list[int]] = {}
    for row, label in enumerate(labels):
        rows.setdefault(label, []).append(row)
    if len(per_query) != len(labels):
        raise ValueError(f"{len(per_query)} values but {len(labels)} labels: one label for each query")
    return {label: {"mean": float(np.mean(per_query[found])), "queries": len(found)} for label, found in rows.items()}


def word_bucket(text: str, edges: Sequence[int] = WORD_EDGES) -> str:
    """The word-count bucket of a caption: "1-10", "11-20", "21-30", "31-40" or "41+" for the default edges.

    Args:
        text: words are separated by white space.
        edges: largest count of each bucket but the last, ascending.
    """
    words = len(text.split())
    low = 1
    for edge in edges:
        if words <= edge:
            return f"{low}-{edge}"
        low = edge + 1
    return f"{low}+"
