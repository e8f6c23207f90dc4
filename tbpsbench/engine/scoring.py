"""Similarities of queries and gallery: one matrix product where all heads compare by the cosine, else what they say.

Shapes: Q queries, G gallery, B queries of a block, D width.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from tbpsbench.metrics.distractors import Part
from tbpsbench.metrics.inputs import Array
from tbpsbench.metrics.products import Products, product_rows
from tbpsbench.metrics.ranking import PositiveRanks, Ties, positive_ranks, positive_ranks_by
from tbpsbench.model.base import SearchModel
from tbpsbench.model.person_search import joint
from tbpsbench.vectors import Vectors, full_precision

Kind = Literal["text", "image"]
Blocks = Callable[[int, int], Tensor]
# Gallery items whose vectors are on the model's device at once, where a head scores them itself.
GALLERY_ROWS = 4096


@dataclass(frozen=True)
class Scored:
    """What is scored on one side: vectors by head, identities (N,), and the groups of a protocol (N,)."""

    kind: Kind
    heads: Mapping[str, Vectors]
    pids: np.ndarray
    groups: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.pids)


def ranks_of(
    model: SearchModel,
    ask: Scored,
    answer: Scored,
    ties: Ties,
    *,
    skip_unmatched: bool,
    head: str | None = None,
    distractors: Iterable[Mapping[str, Vectors]] = (),
) -> PositiveRanks:
    """Exact ranks of all positives by the model's similarity, or by that of one head.

    Args:
        distractors: vectors by head of images that match nobody, part after part.

    Raises:
        DataError: if vectors or similarities are not finite, or a query has no match.
    """
    if model.cosine if head is None else model.heads[head].cosine:
        return positive_ranks(
            _one_vector(model, ask.heads, head),
            _one_vector(model, answer.heads, head),
            ask.pids,
            answer.pids,
            ties=ties,
            query_groups=ask.groups,
            gallery_groups=answer.groups,
            skip_unmatched=skip_unmatched,
            distractors=(_one_vector(model, part, head) for part in distractors),
        )
    return positive_ranks_by(
        blocks(model, ask, answer, head),
        ask.pids,
        answer.pids,
        ties=ties,
        query_groups=ask.groups,
        gallery_groups=answer.groups,
        skip_unmatched=skip_unmatched,
        distractors=(_part(model, ask, part, head) for part in distractors),
    )


def exact_blocks(model: SearchModel, ask: Scored, answer: Scored) -> tuple[Callable[[int, int], Array], int]:
    """The similarities that `ranks_of` ranks by, to the last bit, valid until the next call; and the size of a block.

    Raises:
        DataError: if vectors are not finite.
    """
    if model.cosine:
        products = Products(_one_vector(model, ask.heads, None), _one_vector(model, answer.heads, None))
        return products, products.step
    return blocks(model, ask, answer), product_rows(len(answer))


def _part(model: SearchModel, ask: Scored, heads: Mapping[str, Vectors], head: str | None) -> Part:
    count = len(next(iter(heads.values())))
    return count, blocks(model, ask, Scored("image", heads, np.full(count, -1)), head)


def blocks(model: SearchModel, ask: Scored, answer: Scored, head: str | None = None) -> Blocks:
    """(start, stop) -> (B, G) float32 similarities of the asking rows, on the CPU; memory is bounded."""
    device = model.device
    weights = model.head_weights if head is None else {head: 1.0}

    def part(asking: Mapping[str, Vectors], first: int) -> Tensor:
        answering = {name: answer.heads[name][first : first + GALLERY_ROWS].to(device) for name in weights}
        text, image = (asking, answering) if ask.kind == "text" else (answering, asking)
        found = sum(weights[name] * model.heads[name].score(text[name], image[name]) for name in weights)
        assert isinstance(found, Tensor)
        return (found if ask.kind == "text" else found.T).float().cpu()

    def scores(start: int, stop: int) -> Tensor:
        asking = {name: ask.heads[name][start:stop].to(device) for name in weights}
        with full_precision(device.type):
            return torch.cat([part(asking, first) for first in range(0, len(answer), GALLERY_ROWS)], dim=1)

    return scores


def _one_vector(model: SearchModel, heads: Mapping[str, Vectors], head: str | None) -> Tensor:
    return joint(heads, model.head_weights) if head is None else heads[head].values
