"""Exact ranks of all positives, block by block, without ever sorting or storing the whole ranking.

A positive's rank is the number of gallery items that come before it, and that number can be counted: items with a
larger similarity, plus those of equal similarity that the ties rule puts first. Thresholds and counts come from the
same block of similarities; a threshold computed again would differ in its last bits and count itself.

For images that ask and texts that answer, swap the arguments: the functions know queries and gallery only.

Shapes: Q queries, G gallery, D width, B queries of one block, M matches of a block, R distinct similarities of matches.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np
import torch

from tbpsbench.errors import DataError
from tbpsbench.metrics.block_ranks import block_ranks
from tbpsbench.metrics.counting import Counting, counts_on_device
from tbpsbench.metrics.device_ranks import DeviceRanks
from tbpsbench.metrics.distractors import Part, add_distractors
from tbpsbench.metrics.inputs import Array, as_scores, listed, rows_with_nan
from tbpsbench.metrics.matching import Labels, MatchTable, as_array
from tbpsbench.metrics.products import Products, positive, product_rows
from tbpsbench.metrics.ranks import (
    TIES,
    PositiveRanks,
    Ties,
    average_precision,
    inverse_negative_penalty,
    over_first,
    recall_at,
    summarize,
    trapezoidal_ap,
)

__all__ = [
    "PositiveRanks",
    "Ties",
    "average_precision",
    "inverse_negative_penalty",
    "over_first",
    "positive_ranks",
    "positive_ranks_by",
    "positive_ranks_from_scores",
    "product_rows",
    "recall_at",
    "summarize",
    "trapezoidal_ap",
]


def positive_ranks(
    query_QD: Array,
    gallery_GD: Array,
    query_pids: Labels,
    gallery_pids: Labels,
    *,
    ties: Ties = "pessimistic",
    query_groups: Labels | None = None,
    gallery_groups: Labels | None = None,
    skip_unmatched: bool = False,
    distractors: Iterable[Array] = (),
    chunk: int | None = None,
    device: torch.device | str | None = None,
    counting: Counting = "auto",
) -> PositiveRanks:
    """Rank the gallery for every query by the dot product of float32 features.

    The product is always taken over whole blocks of `product_rows(G)` queries, the last one filled with zeros, against
    a padded gallery. On one machine the result is therefore the same for every `chunk`, and for queries shared among
    processes at multiples of `product_rows(G)` and joined by `PositiveRanks.concatenate`. Another device or processor
    adds up in another order: similarities then differ in the last bit, and ranks where two of them are that close.

    Args:
        query_QD, gallery_GD: (Q, D) and (G, D), L2-normalised, or weighted concatenations of normalised heads. Any
            float type; computed in float32 (float64 features in float64).
        query_pids, gallery_pids: (Q,) and (G,) identities; equal means match.
        ties: order of equal similarities. "pessimistic": non-matches first, tied positives in gallery order;
            "stable": gallery order; "optimistic": positives first; "expected": ranks are the optimistic ones, and the
            per-query values are expectations over all orders.
        query_groups, gallery_groups: (Q,) and (G,) labels. Gallery items with the query's identity and group leave the
            gallery for this query: the image id gives "without the captioned image", the outfit "other clothes only".
        skip_unmatched: leave out queries without a positive; `PositiveRanks.skipped` lists them.
        distractors: features (C, D) of images that match nobody and lie behind the gallery, part after part; each part
            is asked for once and forgotten.
        chunk: queries whose similarities are held at once, rounded up to whole blocks; default one block, on an
            accelerator as many as make 256 MiB.
        device: where to compute; default where the query features are.
        counting: form of the count, for tests; never changes a number.

    Returns:
        The ranks of all positives. Memory beyond them: 4 G bytes for each query of a chunk, and a padded copy of the
        gallery.

    Raises:
        DataError: if features are not finite, shapes disagree, or a query has no positive.
        ValueError: if `ties` or `chunk` is out of range.
    """
    products = Products(query_QD, gallery_GD, chunk=chunk, device=device)
    table = _table(products.queries, products.gallery, query_pids, gallery_pids, query_groups, gallery_groups)
    further = ((len(features), products.beside(features)) for features in distractors)
    return _rank(products, products.step, table, query_pids, products.gallery, ties, skip_unmatched, counting, further)


def positive_ranks_from_scores(
    scores_QG: Array,
    query_pids: Labels,
    gallery_pids: Labels,
    *,
    ties: Ties = "pessimistic",
    query_groups: Labels | None = None,
    gallery_groups: Labels | None = None,
    skip_unmatched: bool = False,
    chunk: int | None = None,
    counting: Counting = "auto",
) -> PositiveRanks:
    """Rank the gallery by a matrix of similarities, in its own precision; larger is better, infinite is allowed.

    Args:
        scores_QG: (Q, G) of any real type; 16-bit floats are widened, which keeps order and ties.
        chunk: queries handled at once; default as many as `positive_ranks` takes in one block.
        query_pids, gallery_pids, ties, query_groups, gallery_groups, skip_unmatched, counting: as in `positive_ranks`.

    Raises:
        DataError: if a similarity is NaN, shapes disagree, or a query has no positive.
        ValueError: if `ties` or `chunk` is out of range.
    """
    if scores_QG.ndim != 2:
        raise DataError(f"similarities have the shape {tuple(scores_QG.shape)}, not (queries, gallery)")
    return positive_ranks_by(
        lambda start, stop: scores_QG[start:stop], query_pids, gallery_pids, ties=ties, query_groups=query_groups,
        gallery_groups=gallery_groups, skip_unmatched=skip_unmatched, chunk=chunk, counting=counting,
        sizes=scores_QG.shape,
    )  # fmt: skip


def positive_ranks_by(
    scores: Callable[[int, int], Array],
    query_pids: Labels,
    gallery_pids: Labels,
    *,
    ties: Ties = "pessimistic",
    query_groups: Labels | None = None,
    gallery_groups: Labels | None = None,
    skip_unmatched: bool = False,
    chunk: int | None = None,
    counting: Counting = "auto",
    sizes: Sequence[int] | None = None,
    distractors: Iterable[Part] = (),
) -> PositiveRanks:
    """Rank the gallery by similarities that are made block by block, in their own precision.

    Args:
        scores: (start, stop) -> (stop - start, G) similarities, called once for each block of queries, in order.
        chunk: queries of a block; default as many as `positive_ranks` takes.
        sizes: (Q, G); default the numbers of identities.
        distractors: see `add_distractors`.

    The rest, and what is raised, as in `positive_ranks_from_scores`.
    """
    queries, gallery = sizes or (len(as_array(query_pids)), len(as_array(gallery_pids)))
    table = _table(queries, gallery, query_pids, gallery_pids, query_groups, gallery_groups)

    def block(start: int, stop: int) -> Array:
        block_BG = as_scores(scores(start, stop))
        if tuple(block_BG.shape) != (stop - start, gallery):
            raise DataError(
                f"similarities of queries {start} to {stop - 1} have the shape {tuple(block_BG.shape)}, expected "
                f"{(stop - start, gallery)}"
            )
        if bad := [start + row for row in rows_with_nan(block_BG)]:
            raise DataError(f"similarities of {listed('query', bad)} are NaN: nothing can be ranked by them")
        return block_BG

    step = product_rows(gallery) if chunk is None else positive(chunk, "chunk")
    return _rank(block, step, table, query_pids, gallery, ties, skip_unmatched, counting, distractors)


def _rank(
    scores: Callable[[int, int], Array],
    step: int,
    table: MatchTable,
    query_pids: Labels,
    gallery: int,
    ties: Ties,
    skip_unmatched: bool,
    counting: Counting,
    distractors: Iterable[Part] = (),
) -> PositiveRanks:
    """Walk over blocks of similarities; `scores(start, stop)` makes the rows start .. stop - 1."""
    if ties not in TIES:
        raise ValueError(f"ties is {ties!r}, not one of {', '.join(TIES)}")
    kept_K = table.kept(query_pids, skip_unmatched=skip_unmatched)
    queries = len(table.positives_Q)
    parts = [(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0, np.float32))]
    on_device: DeviceRanks | None = None
    for start in range(0, queries, step):
        stop = min(start + step, queries)
        block_BG = scores(start, stop)
        if ties != "stable" and isinstance(block_BG, torch.Tensor) and counts_on_device(block_BG, counting):
            on_device = on_device or DeviceRanks(table, block_BG.device)
            on_device.add(block_BG, start, stop)
            continue
        parts.append(block_ranks(block_BG, table.block(np.arange(start, stop)), ties, counting))
    if on_device is not None:
        parts.append(on_device.finish(ties))
    ranks, tied, score_T = ([part[n] for part in parts] for n in range(3))
    found = PositiveRanks(
        ranks=np.concatenate(ranks),
        offsets=np.concatenate([[0], np.cumsum(table.positives_Q[kept_K])]).astype(np.int64),
        gallery_size=gallery - table.removed_Q[kept_K],
        tied=np.concatenate(tied),
        ties_rule=ties,
        query=kept_K.astype(np.int64),
        skipped=np.flatnonzero(table.positives_Q == 0).astype(np.int64),
    )
    return add_distractors(found, np.concatenate(score_T), distractors, queries, step, counting)


def _table(queries: int, gallery: int, query_pids: Labels, gallery_pids: Labels, *groups: Labels | None) -> MatchTable:
    for side, size, pids in (("query", queries, query_pids), ("gallery", gallery, gallery_pids)):
        if len(as_array(pids)) != size:
            raise DataError(f"{size} {side} rows but {len(as_array(pids))} {side} identities: one for each row")
    return MatchTable(query_pids, gallery_pids, *groups)
