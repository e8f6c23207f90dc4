"""One evaluation: embed, guard against leaks, rank exactly, score every protocol that was asked for.

Shapes: N items of a side, D width of an embedding.
"""

from __future__ import annotations

import time
from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from tbpsbench.config.schema import EvaluationSection
from tbpsbench.data.evaluation import EvaluationData
from tbpsbench.engine.embed import embed_captions, embed_images
from tbpsbench.engine.plan import Question, plan_evaluation
from tbpsbench.errors import ConfigError
from tbpsbench.metrics.leaks import TrainingTexts
from tbpsbench.metrics.ranking import PositiveRanks, positive_ranks
from tbpsbench.metrics.result import Evaluation, Result, per_query_values, percent
from tbpsbench.metrics.tracks import track_of
from tbpsbench.model.person_search import PersonSearchModel, joint


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
        DataError: if the split is empty, a protocol lacks its images, a query has no match, or an embedding is not
            finite.
        LeakError: if the leak guard refuses.
    """
    plan = plan_evaluation(data, split, section, training)
    was_training = model.training
    model.eval()
    started = time.perf_counter()
    images = {
        name: embed_images(model, gallery, section.batch_size, data.num_workers)
        for name, gallery in plan.galleries.items()
    }
    after_images = time.perf_counter()
    texts = embed_captions(model, plan.queries, section.batch_size)
    after_captions = time.perf_counter()
    model.train(was_training)
    galleries: dict[tuple[str, ...], dict[str, Tensor]] = {}
    results: dict[str, Result] = {}
    for question in plan.questions:
        if question.splits not in galleries:
            joined = {head: torch.cat([images[part][head] for part in question.splits]) for head in texts}
            galleries[question.splits] = joined
        sides = [texts, galleries[question.splits]]
        asking, answering = sides if question.captions_ask else sides[::-1]
        results[question.name] = _result(model, question, asking, answering, section)
    return Evaluation(
        split,
        track_of(gallery_texts=plan.gallery_texts or None),
        results,
        plan.leaks,
        {
            "images_per_s": sum(map(len, plan.galleries.values())) / (after_images - started),
            "captions_per_s": len(plan.queries) / (after_captions - after_images),
            "ranking_s": time.perf_counter() - after_captions,
        },
        index_bytes=4 * len(plan.galleries[split]) * sum(tensor.shape[1] for tensor in images[split].values()),
    )


def _result(
    model: PersonSearchModel,
    question: Question,
    asking: Mapping[str, Tensor],
    answering: Mapping[str, Tensor],
    section: EvaluationSection,
) -> Result:
    weights, ask, answer = model.head_weights, question.ask, question.answer
    asking, answering = _rows(asking, ask.rows), _rows(answering, answer.rows)

    def rank(ask_ND: Tensor, answer_ND: Tensor) -> PositiveRanks:
        return positive_ranks(
            ask_ND,
            answer_ND,
            ask.pids,
            answer.pids,
            ties=section.ties,
            query_groups=ask.groups,
            gallery_groups=answer.groups,
            skip_unmatched=question.skip,
        )

    ranks = rank(joint(asking, weights), joint(answering, weights))
    per_query = per_query_values(ranks, section.metrics)
    scores = percent(per_query)
    heads = {}
    if len(weights) > 1:
        for head in weights:
            heads[head] = percent(per_query_values(rank(asking[head], answering[head]), section.metrics))
    pids = ask.pids[ranks.query]
    return Result(
        question.name, scores, heads, per_query, ranks, pids, ask.ids[ranks.query],
        queries=len(ranks), gallery=len(answer.pids), identities=len(np.unique(pids)),
    )  # fmt: skip


def _rows(heads: Mapping[str, Tensor], rows: np.ndarray) -> dict[str, Tensor]:
    picked = torch.from_numpy(rows)
    return {head: tensor if len(rows) == len(tensor) else tensor[picked] for head, tensor in heads.items()}


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
