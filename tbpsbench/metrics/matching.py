"""Which gallery items match a query, and which leave its gallery.

A match is a gallery item with the query's identity. A match that also has the query's group (the same outfit, camera or
image, as the caller decides) leaves the gallery for this query; the other matches are its positives.

Shapes: Q queries, G gallery, B queries of a block, M matches of that block.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import torch

from tbpsbench.errors import DataError

MAX_SHOWN = 20
# Integer labels are numbered by a table if it takes at most so many places for each of them; sorting takes longer.
TABLE_PLACES = 8
Labels: TypeAlias = Sequence[object] | np.ndarray | torch.Tensor


@dataclass(frozen=True)
class Matches:
    """The matches of a block of queries.

    Attributes:
        row_M: query within the block, ascending.
        column_M: gallery position, ascending within a query.
        positive_M: bool, False where the match leaves the gallery of its query.
    """

    row_M: np.ndarray
    column_M: np.ndarray
    positive_M: np.ndarray


class MatchTable:
    """The matches of all queries, listed block by block so that memory stays small.

    Args:
        query_pids, gallery_pids: (Q,) and (G,) identities.
        query_groups, gallery_groups: (Q,) and (G,) labels of any kind, numbers or strings; both or neither.

    Attributes:
        removed_Q: (Q,) int64, gallery items that leave.
        positives_Q: (Q,) int64, positives that remain.
        order_G, start_Q, matches_Q: the matches of query q are order_G[start_Q[q]], and the matches_Q[q] - 1 behind it.
        groups: (Q,) and (G,) labels as numbers, or None.

    Raises:
        DataError: if lengths disagree or a group is unknown (None, NaN).
    """

    def __init__(
        self,
        query_pids: Labels,
        gallery_pids: Labels,
        query_groups: Labels | None = None,
        gallery_groups: Labels | None = None,
    ) -> None:
        query_Q, gallery_G = codes("identity", query_pids, gallery_pids)
        self.order_G = np.argsort(gallery_G, kind="stable")
        ordered_G = gallery_G[self.order_G]
        self.start_Q = np.searchsorted(ordered_G, query_Q, "left")
        self.matches_Q = np.searchsorted(ordered_G, query_Q, "right") - self.start_Q
        self.groups: tuple[np.ndarray, np.ndarray] | None = None
        self.removed_Q = np.zeros(len(query_Q), np.int64)
        if (query_groups is None) != (gallery_groups is None):
            raise DataError("groups are given for queries or gallery alone: give both, or neither")
        if query_groups is not None and gallery_groups is not None:
            group_Q, group_G = codes("group", query_groups, gallery_groups)
            if len(group_Q) != len(query_Q) or len(group_G) != len(gallery_G):
                raise DataError(
                    f"{len(group_Q)} query groups and {len(group_G)} gallery groups for "
                    f"{len(query_Q)} queries and {len(gallery_G)} gallery items: one group for each"
                )
            self.groups = group_Q, group_G
            width = 1 + max(group_Q.max(initial=0), group_G.max(initial=0))
            both_G = np.sort(gallery_G * width + group_G)
            both_Q = query_Q * width + group_Q
            self.removed_Q = np.searchsorted(both_G, both_Q, "right") - np.searchsorted(both_G, both_Q, "left")
        self.positives_Q = self.matches_Q - self.removed_Q

    def block(self, query_B: np.ndarray) -> Matches:
        """The matches of the queries at these positions."""
        counts_B = self.matches_Q[query_B]
        row_M = np.repeat(np.arange(len(query_B)), counts_B)
        within_M = np.arange(len(row_M)) - np.repeat(np.cumsum(counts_B) - counts_B, counts_B)
        column_M = self.order_G[self.start_Q[query_B][row_M] + within_M]
        positive_M = np.ones(len(row_M), bool)
        if self.groups is not None:
            group_Q, group_G = self.groups
            positive_M = group_Q[query_B][row_M] != group_G[column_M]
        return Matches(row_M, column_M, positive_M)

    def kept(self, query_pids: Labels, *, skip_unmatched: bool) -> np.ndarray:
        """(K,) int64, positions of the queries that have a positive.

        Raises:
            DataError: if there are others and they are not to be skipped; names the first 20.
        """
        unmatched = np.flatnonzero(self.positives_Q == 0)
        if len(unmatched) and not skip_unmatched:
            pids = as_array(query_pids)
            shown = ", ".join(f"{query} (identity {pids[query]})" for query in unmatched[:MAX_SHOWN])
            more = f" and {len(unmatched) - MAX_SHOWN} more" if len(unmatched) > MAX_SHOWN else ""
            raise DataError(
                f"{len(unmatched)} of {len(self.positives_Q)} queries have no match in the gallery: "
                f"query {shown}{more}. Check that queries and gallery are of the same split, or leave these queries "
                "out with --skip-unmatched (skip_unmatched=True); their number is then reported."
            )
        return np.flatnonzero(self.positives_Q > 0)


def as_array(labels: Labels) -> np.ndarray:
    """Labels as a NumPy vector."""
    return labels.detach().cpu().numpy() if isinstance(labels, torch.Tensor) else np.asarray(labels)


def codes(what: str, query: Labels, gallery: Labels) -> tuple[np.ndarray, np.ndarray]:
    """Number equal labels of both sides alike, from 0; int64.

    Raises:
        DataError: if a label is None or NaN, or the labels are no vectors.
    """
    sides = {"query": as_array(query), "gallery": as_array(gallery)}
    for side, labels in sides.items():
        if labels.ndim != 1:
            raise DataError(f"{side} {what} labels have the shape {labels.shape}; one label for each {side} is needed")
        unknown = [label is None or label != label for label in labels.tolist()] if labels.dtype.kind in "Of" else []
        if any(unknown):
            raise DataError(f"{side} {unknown.index(True)} has no {what} ({sum(unknown)} in all): label all, or none")
    joined = np.concatenate([labels.astype(object) if _mixed(sides) else labels for labels in sides.values()])
    if joined.dtype == object:
        numbers: dict[object, int] = {}
        coded = np.array([numbers.setdefault(label, len(numbers)) for label in joined.tolist()], np.int64)
    else:
        coded = _numbered(joined)
    return coded[: len(sides["query"])], coded[len(sides["query"]) :]


def _numbered(labels_N: np.ndarray) -> np.ndarray:
    """Equal labels alike, in ascending order, from 0; int64."""
    if len(labels_N) and labels_N.dtype.kind in "iu":
        least, most = int(labels_N.min()), int(labels_N.max())
        if most - least < TABLE_PLACES * len(labels_N):
            # In 64 bits: a difference of two labels of 8 bits may need more.
            wide = np.uint64 if labels_N.dtype.kind == "u" else np.int64
            place_N = labels_N.astype(wide) - wide(least)
            present = np.zeros(most - least + 1, np.int64)
            present[place_N] = 1
            return (np.cumsum(present) - 1)[place_N]
    return np.unique(labels_N, return_inverse=True)[1].astype(np.int64)


def _mixed(sides: dict[str, np.ndarray]) -> bool:
    """Whether NumPy would have to change a label's type to join the sides; joined as floats, large integers merge."""
    types = [labels.dtype for labels in sides.values()]
    whole = [dtype.kind in "iub" for dtype in types]
    return any(whole) and (not all(whole) or np.result_type(*types).kind == "f")
