"""Which queries a retrieval sheet shows: by their number, by whom they describe, or by how well they did."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np

from tbpsbench.errors import DataError
from tbpsbench.model.roles import QUERY
from tbpsbench.visualize.paper import MAX_ROWS

if TYPE_CHECKING:
    from tbpsbench.annotations import Annotations
    from tbpsbench.data.eval_set import QuerySet

Show = Literal["mixed", "right", "wrong", "worst", "random"]
SHOW: dict[str, str] = {
    "mixed": "half right at rank 1 and half wrong, evenly spread",
    "right": "right at rank 1, evenly spread",
    "wrong": "wrong at rank 1, evenly spread",
    "worst": "those whose first match comes last",
    "random": "drawn at random",
}
assert tuple(SHOW) == get_args(Show)


def require_few(captions: Sequence[int]) -> None:
    """Refuse more queries by number than a sheet has rows.

    Raises:
        DataError: says how many there may be.
    """
    if (count := len(set(captions))) > MAX_ROWS:
        raise DataError(f"--queries: {count} queries for one sheet, expected at most {MAX_ROWS}")


def by_caption(queries: QuerySet, split: str, ids: Sequence[int], annotations: Annotations) -> list[int]:
    """Positions of the queries with these caption ids, in the order given, each once.

    Raises:
        DataError: if the split has no such query; says where it is, or which ids there are. Or they are too many.
    """
    require_few(ids)
    position = {int(caption): place for place, caption in enumerate(queries.caption_ids)}
    elsewhere = {
        caption.caption_id: record.split if caption.role == QUERY else f"{record.split}, but is no query"
        for record in annotations.records
        for caption in record.captions
    }
    _require("--queries", "caption", ids, position, elsewhere, split)
    return [position[caption] for caption in dict.fromkeys(ids)]


def by_identity(queries: QuerySet, split: str, ids: Sequence[int], annotations: Annotations) -> list[int]:
    """Positions of all queries about these persons, in the order of the split.

    Raises:
        DataError: if the split has no query about one of them; says where they are, or which there are.
    """
    there = dict.fromkeys(map(int, queries.pids), 0)
    _require("--identities", "identity", ids, there, {r.pid: r.split for r in annotations.records}, split)
    return [int(place) for place in np.flatnonzero(np.isin(queries.pids, list(ids)))]


def pick_queries(first_P: np.ndarray, rows: int, show: Show = "mixed", seed: int = 0) -> list[int]:
    """Some of P queries.

    Args:
        first_P: (P,) 0-based rank of the first match of each.
        rows: how many at most.
        show: which; "mixed" takes more of one kind where there is too little of the other.
        seed: of a random draw.
    """
    right, wrong = np.flatnonzero(first_P == 0), np.flatnonzero(first_P > 0)
    rows = min(rows, len(first_P))
    if show == "worst":
        chosen = np.argsort(-first_P, kind="stable")[:rows]
    elif show == "random":
        chosen = np.sort(np.random.default_rng(seed).choice(len(first_P), rows, replace=False))
    else:
        limit = {"right": (rows, 0), "wrong": (0, rows)}.get(show)
        wanted, others = limit or (max(rows - rows // 2, rows - len(wrong)), rows)
        wanted = min(len(right), wanted)
        chosen = np.concatenate([_spread(right, wanted), _spread(wrong, min(len(wrong), others - wanted))])
    return [int(query) for query in chosen]


def told_choice(first_P: np.ndarray, picked: Sequence[int], show: Show, seed: int) -> str:
    """What `pick_queries` has picked, in words: the rule where it says all, otherwise how many of which kind."""
    if show == "random":
        return f"drawn with seed {seed}"
    if show == "worst":
        return SHOW[show]
    right = sum(first_P[place] == 0 for place in picked)
    kinds = {"right": right, "wrong": len(picked) - right}
    told = ", ".join(f"{count} {kind}" for kind, count in kinds.items() if count) + " at rank 1"
    there = {"right": (first_P == 0).any(), "wrong": (first_P > 0).any()}
    missing = "".join(f"; none is {kind}" for kind, some in there.items() if show == "mixed" and not some)
    return told + (missing or ", evenly spread")


def told_count(count: int) -> str:
    """Queries with their number."""
    return f"{count:,} {'query' if count == 1 else 'queries'}"


def _spread(items: np.ndarray, count: int) -> np.ndarray:
    return items[np.linspace(0, len(items) - 1, count).round().astype(int)] if count > 0 else items[:0]


def _require(
    option: str, what: str, ids: Sequence[int], there: dict[int, int], elsewhere: dict[int, str], split: str
) -> None:
    """Refuse ids that the split does not have."""
    for given in ids:
        if given in there:
            continue
        if given in elsewhere and elsewhere[given] != split:
            hint = f"it is in the split {elsewhere[given]}"
        else:
            nearest = min(there, key=lambda known: abs(known - given))
            hint = f"there are {len(there)}, {min(there)} to {max(there)}; the nearest is {nearest}"
        raise DataError(f"{option} {given}: the split {split!r} has no query of this {what}; {hint}")
