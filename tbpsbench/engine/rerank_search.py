"""Settings of a re-ranker, tried on the validation split: it is embedded once, and nothing of the test is seen."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch

from tbpsbench.config.literal import parse_value
from tbpsbench.config.schema import EvaluationSection
from tbpsbench.data.evaluation import EvaluationData
from tbpsbench.engine.embed import embed_captions, embed_images
from tbpsbench.engine.evaluate import Rankings, best_metric
from tbpsbench.engine.plan import choosing, plan_evaluation
from tbpsbench.errors import ConfigError
from tbpsbench.metrics.leaks import TrainingTexts
from tbpsbench.metrics.result import Result, flat
from tbpsbench.model.base import SearchModel
from tbpsbench.protocols.base import BEFORE

MAX_SETTINGS = 1000


@dataclass(frozen=True)
class Tried:
    """One setting and what came of it.

    Attributes:
        component: of RERANKERS; None: without re-ranking.
        score: by `evaluation.metric`, percent.
        scores: all, as `metrics.result.flat` names them.
        ms_per_query: of re-ranking and ranking, over all protocols; of an interaction, its calls a query.
    """

    component: dict[str, Any] | None
    score: float
    scores: dict[str, float]
    ms_per_query: float = 0.0


def grid(name: str, ranges: Sequence[str]) -> list[dict[str, Any]]:
    """Every combination of values, as RERANKERS components.

    Args:
        name: of the re-ranker.
        ranges: "ARGUMENT=VALUE,VALUE,..." each; values are read as those of `--cfg-options`.

    Raises:
        ConfigError: if a range cannot be read, or there are more than MAX_SETTINGS combinations.
    """
    values: dict[str, list[Any]] = {}
    for text in ranges:
        key, equals, listed = text.partition("=")
        if not equals or not key.isidentifier() or not listed or key in (*values, "type"):
            raise ConfigError(f"write each argument once, as ARGUMENT=VALUE,VALUE,...; got {text!r:.120}")
        found = parse_value(listed)
        if isinstance(found, str):
            found = [parse_value(part) for part in listed.split(",")]
        values[key] = list(found) if isinstance(found, list | tuple) else [found]
    components = [
        {"type": name, **dict(zip(values, chosen, strict=True))}
        for chosen in itertools.islice(itertools.product(*values.values()), MAX_SETTINGS + 1)
    ]
    if len(components) > MAX_SETTINGS:
        raise ConfigError(f"more than {MAX_SETTINGS} combinations of {', '.join(values)}; give fewer values")
    return components


@torch.no_grad()
def search(
    model: SearchModel,
    data: EvaluationData,
    section: EvaluationSection,
    components: Sequence[Mapping[str, Any]],
    training: TrainingTexts | None = None,
) -> list[Tried]:
    """Without re-ranking, and with each component alone, on the validation split; best first, the earlier of equals.

    Args:
        model: its training mode is restored afterwards.
        data, section, training: see `evaluate`; protocols with distractors are left out where there are others.
        components: of RERANKERS.

    Raises:
        ConfigError: if `evaluation.metric` names no score, or the system lacks what a re-ranker needs.
        DataError: if there is no validation split.
    """
    section = choosing(section)
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
        used = replace(section, rerank=[dict(component)] if component else [])
        rankings = Rankings(model, data, used, plan, texts, images)
        results: dict[str, Result] = {}
        for question in plan.questions:
            results |= {one.name: one for one in rankings.results(question) if not one.name.endswith(BEFORE)}
        scores = flat(results)
        took = sum(cost["ms_per_query"] for cost in rankings.costs.values())
        found.append(Tried(used.rerank[0] if component else None, best_metric(section, scores), scores, took))
    model.train(was_training)
    return sorted(found, key=lambda one: -one.score)


def as_table(
    found: Sequence[Tried], without: str = "no re-ranking", cost: str = "ms a query", hidden: Sequence[str] = ("type",)
) -> str:
    """One line for each setting, in the given order; scores in percent.

    Args:
        found: settings.
        without: what the line of None is called.
        cost: what `ms_per_query` is called.
        hidden: arguments that are not shown.
    """
    names = []
    for one in found:
        given = {key: value for key, value in (one.component or {}).items() if key not in hidden}
        spelt = " ".join(f"{key}={value!r}" for key, value in given.items())
        names.append(without if one.component is None else spelt or "as it is")
    width = max(map(len, (*names, "settings")))
    heads = [*found[0].scores, cost]
    lines = [f"{'settings':<{width}}  " + "  ".join(f"{head:>7}" for head in heads)]
    for name, one in zip(names, found, strict=True):
        cells = [*(f"{value:.2f}" for value in one.scores.values()), f"{one.ms_per_query:.2f}"]
        columns = [f"{cell:>{max(7, len(head))}}" for cell, head in zip(cells, heads, strict=True)]
        lines.append(f"{name:<{width}}  " + "  ".join(columns))
    return "\n".join(lines)
