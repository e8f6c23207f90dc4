"""Settings of an interactor, tried on the validation split; nothing of the test is seen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch

from tbpsbench.config.schema import EvaluationSection
from tbpsbench.data.evaluation import EvaluationData
from tbpsbench.engine.embed import embed_captions, embed_images
from tbpsbench.engine.evaluate import Rankings, best_metric
from tbpsbench.engine.plan import choosing, plan_evaluation
from tbpsbench.engine.rerank_search import Tried
from tbpsbench.metrics.leaks import TrainingTexts
from tbpsbench.metrics.result import flat
from tbpsbench.model.base import SearchModel
from tbpsbench.protocols.base import protocol_name


@torch.no_grad()
def search(
    model: SearchModel,
    data: EvaluationData,
    section: EvaluationSection,
    components: Sequence[Mapping[str, Any]],
    training: TrainingTexts | None = None,
) -> list[Tried]:
    """Without an interaction, and with each component, on the validation split; best first, the earlier of equals.

    The split is embedded once. Replies are asked for again by every setting: give real models a cache.

    Args:
        model: its training mode is restored afterwards.
        data, section, training: see `evaluate`; only the first protocol is used.
        components: of INTERACTORS; their ablations and budgets are left out.

    Raises:
        ConfigError: if `evaluation.metric` names no score, or something is missing that an interactor needs.
        DataError: if there is no validation split.
        StopRun: if a model cannot be asked any more.
    """
    section = choosing(section)
    section = replace(section, protocols=section.protocols[:1])
    plan = plan_evaluation(data, data.sources.validation_split, section, training)
    was_training = model.training
    model.eval()
    images = {
        name: embed_images(model, gallery, section.batch_size, data.num_workers)
        for name, gallery in plan.galleries.items()
    }
    texts = embed_captions(model, plan.queries, section.batch_size)
    found: list[Tried] = []
    for component in (None, *components):
        used = None if component is None else {**component, "ablations": (), "budgets": ()}
        rankings = Rankings(model, data, replace(section, interactor=used), plan, texts, images)
        results = {
            one.name: one
            for question in plan.questions
            for one in rankings.results(question)
            if one.name == protocol_name(one.name)
        }
        scores = flat(results)
        calls = [one.report["cost"]["calls_mean"] for one in rankings.found.values()]
        told = None if component is None else dict(component)
        found.append(Tried(told, best_metric(section, scores), scores, sum(calls)))
    model.train(was_training)
    return sorted(found, key=lambda one: -one.score)
