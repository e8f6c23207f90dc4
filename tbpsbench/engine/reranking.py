"""Re-ranking in an evaluation: what a re-ranker may ask for, what it costs, and the ranks that come out.

Shapes: Q queries, G gallery, S captions of a bank, D width.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tbpsbench import registry
from tbpsbench.data.eval_set import GallerySet, QuerySet
from tbpsbench.data.evaluation import EvaluationData
from tbpsbench.engine.embed import embed_captions
from tbpsbench.engine.scoring import Scored, blocks
from tbpsbench.errors import ConfigError
from tbpsbench.metrics.ranking import PositiveRanks, Ties, positive_ranks_by
from tbpsbench.model.base import SearchModel
from tbpsbench.rerankers.base import Blocks, Reranker, Search
from tbpsbench.rerankers.chain import chain_problems, unread
from tbpsbench.types import Batch, Features

TRAIN = "train"


@dataclass(frozen=True)
class Asked:
    """Whom a search is about: query captions and gallery images, by their rows.

    Attributes:
        queries: the split's, and which of them ask.
        galleries: in the order of the answering images.
    """

    queries: QuerySet
    rows: np.ndarray
    galleries: Sequence[GallerySet]


def build_rerankers(components: Sequence[Mapping[str, Any]]) -> list[Reranker]:
    """The re-rankers of a config, in their order.

    Raises:
        ConfigError: if one can only come first and does not.
        RegistryError: if one cannot be built.
    """
    found = [registry.RERANKERS.build(c, f"evaluation.rerank.{n}") for n, c in enumerate(components)]
    chain = [(component["type"], type(one)) for component, one in zip(components, found, strict=True)]
    if problem := next(chain_problems(chain), None):
        raise ConfigError(str(problem))
    return found


def reranked(
    model: SearchModel,
    data: EvaluationData,
    asked: Asked,
    ask: Scored,
    answer: Scored,
    rerankers: Sequence[Reranker],
    ties: Ties,
    *,
    batch_size: int,
    skip_unmatched: bool,
) -> tuple[PositiveRanks, dict[str, float]]:
    """Ranks after re-ranking, one re-ranker on the scores of the one before, and what it cost.

    Returns:
        The ranks; "ms_per_query" (re-ranking and ranking, without embedding) and "pairs" seen by a cross-encoder.

    Raises:
        ConfigError: if the system lacks what a re-ranker needs, or one has not read the scores of the one before.
    """
    started = time.perf_counter()
    search = Search(
        queries=len(ask),
        images=len(answer),
        scores=blocks(model, ask, answer),
        query_QD=first_stage(model, ask),
        gallery_GD=first_stage(model, answer),
        bank=lambda count: _bank(model, data, answer, count, batch_size),
        text_features=lambda rows: _text_features(model, asked, rows),
        image_features=lambda rows: _image_features(model, asked, rows, batch_size),
        model=model,
    )
    read: list[_Read] = []
    for reranker in rerankers:
        read.append(_Read(search.scores))
        search = replace(search, scores=reranker.rerank(replace(search, scores=read[-1])))
    ranks = positive_ranks_by(
        search.scores, ask.pids, answer.pids, ties=ties, query_groups=ask.groups, gallery_groups=answer.groups,
        skip_unmatched=skip_unmatched,
    )  # fmt: skip
    _require_read(rerankers, read)
    took = time.perf_counter() - started
    return ranks, {"ms_per_query": 1000 * took / max(1, len(ask)), "pairs": sum(one.pairs for one in rerankers)}


class _Read:
    """Scores that remember whether anybody has asked for them."""

    def __init__(self, scores: Blocks) -> None:
        self.scores, self.asked = scores, False

    def __call__(self, start: int, stop: int) -> Tensor:
        self.asked = True
        return self.scores(start, stop)


def _require_read(rerankers: Sequence[Reranker], read: Sequence[_Read]) -> None:
    """Plug-ins may not declare what they read; a record must not list a re-ranker whose scores nobody looked at."""
    for place in range(1, len(read)):
        if not read[place].asked:
            name, before = (type(rerankers[n]).__name__ for n in (place, place - 1))
            raise ConfigError(f"evaluation.rerank.{place}: {unread(name, before)} Put {name} first, or leave it out.")


def first_stage(model: SearchModel, side: Scored) -> Tensor | None:
    """(N, D) vectors of all heads together; None where a head has no single one."""
    parts = []
    for name, weight in model.head_weights.items():
        vectors = model.heads[name].first_stage(side.heads[name], side.kind)
        if vectors is None:
            return None
        parts.append(weight**0.5 * vectors)
    return torch.cat(parts, dim=1)


def _bank(model: SearchModel, data: EvaluationData, answer: Scored, count: int, batch_size: int) -> Tensor:
    """(S, G) similarities of training captions, evenly spread over the training set, with the gallery."""
    captions = QuerySet(data.annotations, TRAIN, data.texts)
    rows = np.linspace(0, len(captions) - 1, min(count, len(captions))).round().astype(np.int64)
    heads = embed_captions(model, captions, batch_size, positions=rows.tolist())
    bank = Scored("text", heads, captions.pids[rows])
    return blocks(model, bank, answer)(0, len(rows))


def _text_features(model: SearchModel, asked: Asked, rows: np.ndarray) -> Features:
    chosen = asked.rows[rows]
    return _features(model, asked.queries.batches(max(1, len(rows)), indices=chosen))


def _image_features(model: SearchModel, asked: Asked, rows: np.ndarray, batch_size: int) -> Features:
    """Features of images, which may lie in several galleries; the rows ascend."""
    found, first = [], 0
    for gallery in asked.galleries:
        own = [int(row) - first for row in rows if first <= row < first + len(gallery)]
        if own:
            found.append(_features(model, gallery.batches(batch_size, indices=own)))
        first += len(gallery)
    return _joined(found)


@torch.no_grad()
def _features(model: SearchModel, batches: Any) -> Features:
    device = model.device
    extract: Callable[[Batch], Features] = model.extract
    return _joined([extract(batch.to(device)) for batch in batches])


def _joined(parts: Sequence[Features]) -> Features:
    """Features of several batches; those of texts that are cut to other lengths come in one batch alone."""
    if len(parts) == 1:
        return parts[0]
    return Features({name: torch.cat([part[name] for part in parts]) for name in parts[0].tensors})
