"""Scores split by a property of the query: words of its caption, who wrote it, an attribute of the person.

Shapes: Q queries.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, TypedDict

import numpy as np

from tbpsbench.metrics.bootstrap import bootstrap_interval
from tbpsbench.types import Caption, ImageRecord

WORD_EDGES = (10, 20, 30, 40)
# With fewer than these, a group's score is mostly chance.
FEW_QUERIES, FEW_IDENTITIES = 30, 10
# What may be split by besides the data set's attributes.
OF_CAPTION, OF_IMAGE = ("length", "style", "source"), ("camera", "outfit")
ATTRIBUTES = "attributes."
UNKNOWN = "(not known)"
Asked = tuple[ImageRecord, Caption]


class Group(TypedDict):
    """One group of queries.

    Attributes:
        value: what its queries share.
        scores: metric -> percent.
        intervals_95: metric -> bounds in percent, over identities; None for a group of one identity.
        queries, identities: how many.
        few: whether that is too few to read anything into the scores.
    """

    value: str
    scores: dict[str, float]
    intervals_95: dict[str, list[float]] | None
    queries: int
    identities: int
    few: bool


def score_group(per_query: Mapping[str, np.ndarray], pids: np.ndarray, value: str) -> Group:
    """Scores of one group; for all queries of a protocol they are those of its record.

    Args:
        per_query: metric -> (Q,) fractions.
        pids: (Q,) identity of each query.
        value: what the queries share.
    """
    identities = len(np.unique(pids))
    intervals = {
        key: [100 * bound for bound in bootstrap_interval(value_Q, pids)] for key, value_Q in per_query.items()
    }
    return {
        "value": value,
        "scores": {key: 100.0 * float(value_Q.mean()) for key, value_Q in per_query.items()},
        "intervals_95": intervals if identities > 1 else None,
        "queries": len(pids),
        "identities": identities,
        "few": len(pids) < FEW_QUERIES or identities < FEW_IDENTITIES,
    }


def by_group(per_query: Mapping[str, np.ndarray], pids: np.ndarray, labels: Sequence[str]) -> list[Group]:
    """Scores within each group of queries.

    Args:
        per_query: metric -> (Q,) fractions.
        pids: (Q,) identity of each query.
        labels: (Q,) group of each query.

    Returns:
        The groups, numbers within their labels in their order, what is not known last. The scores weighted by the
        numbers of queries give the scores of all queries.

    Raises:
        ValueError: if lengths disagree.
    """
    if any(len(values) != len(labels) for values in (pids, *per_query.values())):
        raise ValueError(f"{len(pids)} identities but {len(labels)} labels: one label for each query")
    label_Q = np.array(labels, dtype=object)
    groups = []
    for label in sorted(set(labels), key=_place):
        inside_Q = label_Q == label
        groups.append(score_group({key: value[inside_Q] for key, value in per_query.items()}, pids[inside_Q], label))
    return groups


def keys_of(asked: Sequence[Asked]) -> list[str]:
    """What these queries can be split by: attributes under their names, or behind "attributes." where ours has it.

    Lists and the like are left out: they are no one value of an image.
    """
    own = [key for key in (*OF_CAPTION, *OF_IMAGE) if any(_value(key, query) is not None for query in asked)]
    names = dict.fromkeys(
        name for record, _ in asked for name, value in record.attributes.items() if isinstance(value, str | int | float)
    )
    taken = (*OF_CAPTION, *OF_IMAGE)
    return own + [f"{ATTRIBUTES}{name}" if name in taken else name for name in sorted(names)]


def labels_of(key: str, asked: Sequence[Asked], edges: Sequence[int] = WORD_EDGES) -> list[str]:
    """(Q,) the group of each query.

    Args:
        key: one of `keys_of`; attributes are those of the image that the caption was written for.
        asked: (Q,) the image and the caption of each query.
        edges: see `word_bucket`.
    """
    if key == "length":
        return [word_bucket(caption.text, edges) for _, caption in asked]
    values = [_value(key, query) for query in asked]
    return [UNKNOWN if value is None else str(value) for value in values]


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
            return f"{low}-{edge}" if edge > low else f"{edge}"
        low = edge + 1
    return f"{low}+"


def _value(key: str, query: Asked) -> Any:
    record, caption = query
    if key == "length":
        return caption.text
    if key in OF_CAPTION:
        return getattr(caption, key)
    if key in OF_IMAGE:
        return getattr(record, key)
    value = record.attributes.get(key.removeprefix(ATTRIBUTES))
    return value if isinstance(value, str | int | float) else None


def _place(label: str) -> tuple[Any, ...]:
    """Sorts "9-10" before "11-20", and what is not known behind everything."""
    parts = re.split(r"(\d+)", label)
    return label == UNKNOWN, [int(part[:18]) if n % 2 else part for n, part in enumerate(parts)], label
