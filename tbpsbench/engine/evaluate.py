"""One evaluation: embed, guard against leaks, rank exactly, score every protocol that was asked for.

Shapes: Q queries, G images of a gallery, D width of an embedding.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from tbpsbench import registry
from tbpsbench.config.schema import EvaluationSection
from tbpsbench.data.evaluation import EvaluationData
from tbpsbench.engine.embed import embed_captions, embed_images
from tbpsbench.errors import ConfigError
from tbpsbench.metrics.leaks import TrainingTexts, check_leaks
from tbpsbench.metrics.ranking import PositiveRanks, positive_ranks
from tbpsbench.metrics.result import Evaluation, Result, per_query_values, percent
from tbpsbench.metrics.tracks import track_of
from tbpsbench.model.person_search import PersonSearchModel, joint
from tbpsbench.protocols.base import IMAGE_TO_TEXT, Protocol
from tbpsbench.types import ImageRecord


@torch.no_grad()
def evaluate(
    model: PersonSearchModel,
    data: EvaluationData,
    split: str,
    section: EvaluationSection,
    training: TrainingTexts | None = None,
) -> Evaluation:
    """Evaluate a model on one split.

    Args:
        model: its training mode is restored afterwards.
        data: queries and galleries.
        split: "val" or "test" (or "val-carved").
        section: the config's `evaluation`.
        training: the texts that the model was trained on; None where that is not known.

    Raises:
        DataError: if the split is empty, a protocol lacks its images, or a query has no match.
        LeakError: if the leak guard refuses.
    """
    protocols = {name: registry.PROTOCOLS.build({"type": name}, "evaluation.protocols") for name in section.protocols}
    queries, first = data.queries(split), data.gallery(split)
    wanted = [name for protocol in protocols.values() for name in protocol.gallery_splits(split)]
    there = data.annotations.splits()
    galleries = {split: first} | {name: data.gallery(name) for name in dict.fromkeys(wanted) if name in there}
    records = [record for gallery in galleries.values() for record in gallery.records]
    gallery_texts = data.sources.texts_of_gallery(records)
    leaks = check_leaks(
        queries=queries.captions,
        gallery_texts=gallery_texts,
        training=training,
        population=data.sources.population,
        test_pids={record.pid for record in first.records},
        query_images=False,
        allow_leak=section.allow_leak,
    )
    was_training = model.training
    model.eval()
    started = time.perf_counter()
    images = {
        name: embed_images(model, gallery, section.batch_size, data.num_workers) for name, gallery in galleries.items()
    }
    after_images = time.perf_counter()
    texts = embed_captions(model, queries, section.batch_size)
    after_captions = time.perf_counter()
    model.train(was_training)
    asking = _Side(texts, queries.pids, queries.caption_ids)
    results: dict[str, Result] = {}
    for name, protocol in protocols.items():
        splits = [part for part in protocol.gallery_splits(split) if part in galleries]
        shown = [record for part in splits for record in galleries[part].records]
        answering = _Side(
            {head: torch.cat([images[part][head] for part in splits]) for head in texts},
            np.array([record.pid for record in shown]),
            np.array([record.image_id for record in shown]),
        )
        scored = _score(model, name, protocol, queries.records, shown, asking, answering, section)
        results |= {result.name: result for result in scored}
    return Evaluation(
        split,
        track_of(gallery_texts=gallery_texts or None),
        results,
        leaks,
        {
            "images_per_s": len(records) / (after_images - started),
            "captions_per_s": len(queries) / (after_captions - after_images),
            "ranking_s": time.perf_counter() - after_captions,
        },
        index_bytes=4 * len(first) * sum(tensor.shape[1] for tensor in images[split].values()),
    )


@dataclass(frozen=True)
class _Side:
    """What asks or answers: embeddings by head (N, D), identities and ids (N,), and the groups of a protocol (N,)."""

    heads: Mapping[str, Tensor]
    pids: np.ndarray
    ids: np.ndarray
    groups: np.ndarray | None = None


def _score(
    model: PersonSearchModel,
    name: str,
    protocol: Protocol,
    asked: Sequence[ImageRecord],
    shown: Sequence[ImageRecord],
    asking: _Side,
    answering: _Side,
    section: EvaluationSection,
) -> list[Result]:
    """Results of one protocol: text-to-image, and image-to-text where asked for."""
    task = protocol.task(asked, shown)
    rows = np.flatnonzero(task.asks_Q)
    picked = torch.from_numpy(rows)
    asking = _Side(
        {head: tensor[picked] for head, tensor in asking.heads.items()},
        asking.pids[rows],
        asking.ids[rows],
        None if task.query_group_Q is None else task.query_group_Q[rows],
    )
    answering = _Side(answering.heads, answering.pids, answering.ids, task.gallery_group_G)
    skip = section.skip_unmatched or protocol.skips_unmatched
    results = [_result(model, name, asking, answering, section, skip)]
    if section.both_directions and protocol.reversible:
        results.append(_result(model, f"{name}{IMAGE_TO_TEXT}", answering, asking, section, skip))
    return results


def _result(
    model: PersonSearchModel, name: str, ask: _Side, answer: _Side, section: EvaluationSection, skip: bool
) -> Result:
    weights = model.head_weights

    def rank(asking: Tensor, answering: Tensor) -> PositiveRanks:
        return positive_ranks(
            asking,
            answering,
            ask.pids,
            answer.pids,
            ties=section.ties,
            query_groups=ask.groups,
            gallery_groups=answer.groups,
            skip_unmatched=skip,
        )

    ranks = rank(joint(ask.heads, weights), joint(answer.heads, weights))
    per_query = per_query_values(ranks, section.metrics)
    heads = {}
    if len(weights) > 1:
        for head in weights:
            heads[head] = percent(per_query_values(rank(ask.heads[head], answer.heads[head]), section.metrics))
    pids = ask.pids[ranks.query]
    return Result(
        name, percent(per_query), heads, per_query, ranks, pids, ask.ids[ranks.query],
        queries=len(ranks), gallery=len(answer.pids), identities=len(np.unique(pids)),
    )  # fmt: skip


def score_names(section: EvaluationSection) -> dict[str, float]:
    """Keys that `Evaluation.flat` will have, without evaluating anything: a one-query ranking shows the columns."""
    one = np.zeros(1, np.int64)
    toy = PositiveRanks(one, np.array([0, 1]), one + 1, one, section.ties, one, one[:0])
    columns = per_query_values(toy, section.metrics)
    names = dict.fromkeys(columns, 0.0)
    for protocol in section.protocols[1:]:
        names |= {f"{protocol}/{column}": 0.0 for column in columns}
    return names


def best_metric(section: EvaluationSection, scores: Mapping[str, float]) -> float:
    """The score that selects the checkpoint.

    Raises:
        ConfigError: if `evaluation.metric` names no score.
    """
    if section.metric not in scores:
        raise ConfigError(f"evaluation.metric: no score is called {section.metric!r}; there are: {', '.join(scores)}")
    return scores[section.metric]
