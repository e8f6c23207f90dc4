"""Settings of a re-ranker or an interactor, tried on the validation split alone: nothing of the test is seen."""

from __future__ import annotations

import argparse
import itertools
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import torch

from tbpsbench.config.literal import parse_value
from tbpsbench.config.schema import EvaluationSection
from tbpsbench.data.evaluation import EvaluationData
from tbpsbench.engine.evaluate import Rankings, best_metric, embed_plan
from tbpsbench.engine.plan import choosing, plan_evaluation
from tbpsbench.engine.trained import known_texts, open_trained
from tbpsbench.errors import ConfigError, DataError
from tbpsbench.files import write_json
from tbpsbench.metrics.leaks import TrainingTexts
from tbpsbench.metrics.result import flat
from tbpsbench.model.base import SearchModel
from tbpsbench.model.modes import evaluating
from tbpsbench.protocols.base import BEFORE, protocol_name

MAX_SETTINGS = 1000


@dataclass(frozen=True)
class Tried:
    """One setting and what came of it.

    Attributes:
        component: that was tried; None: without any.
        score: by `evaluation.metric`, percent.
        scores: all, as `metrics.result.flat` names them.
        cost: of a query, over all protocols; in what, says `Tuned.cost`.
        refused: why it cannot be used on this split, and has no score; None where it can.
    """

    component: dict[str, Any] | None
    score: float | None
    scores: dict[str, float]
    cost: float = 0.0
    refused: str | None = None


@dataclass(frozen=True)
class Tuned:
    """What is tuned.

    Attributes:
        key: in the config, with the component in place of {}.
        without: what doing without it is called.
        cost: the unit of `Tried.cost`.
        used: `evaluation` with a component, or without one.
        counts: whether a result of that name is one of the setting; the others stand beside it.
        spent: what the rankings of a setting cost a query.
        may_refuse: whether one setting may be too much for the split, e.g. more neighbours than images, and is then
            passed over; otherwise that ends the search.
    """

    key: str
    without: str
    cost: str
    used: Callable[[EvaluationSection, dict[str, Any] | None], EvaluationSection]
    counts: Callable[[str], bool]
    spent: Callable[[Rankings], float]
    may_refuse: bool = False


def _interacting(section: EvaluationSection, component: dict[str, Any] | None) -> EvaluationSection:
    """Of the first protocol alone, and without what only a report needs: each further row asks the models more."""
    used = component and {**component, "ablations": (), "budgets": ()}
    return replace(section, interactor=used, protocols=section.protocols[:1])


RERANKER = Tuned(
    "evaluation.rerank=[{}]", "no re-ranking", "ms a query",
    lambda section, component: replace(section, rerank=[component] if component else []),
    lambda name: not name.endswith(BEFORE),
    lambda rankings: sum(cost["ms_per_query"] for cost in rankings.costs.values()), may_refuse=True,
)  # fmt: skip
INTERACTOR = Tuned(
    "evaluation.interactor={}", "asking nobody", "calls a query", _interacting,
    lambda name: name == protocol_name(name),
    lambda rankings: sum(found.report["cost"]["calls_mean"] for found in rankings.found.values()),
)  # fmt: skip


def grid(name: str, ranges: Sequence[str]) -> list[dict[str, Any]]:
    """Every combination of values, as components.

    Args:
        name: of the component.
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
    what: Tuned,
    model: SearchModel,
    data: EvaluationData,
    section: EvaluationSection,
    components: Sequence[Mapping[str, Any]],
    training: TrainingTexts | None = None,
) -> list[Tried]:
    """Without any component, and with each alone, on the validation split; best first, the earlier of equals, and those
    that the split is too small for last.

    The split is embedded once. An interactor's replies are asked for again by every setting: give real models a cache.

    Args:
        what: `RERANKER` or `INTERACTOR`.
        model: its training mode is restored afterwards.
        data, section, training: see `evaluate`; protocols with distractors are left out where there are others.
        components: of its slot.

    Raises:
        ConfigError: if `evaluation.metric` names no score, or the system lacks what a component needs.
        DataError: if there is no validation split, or every component is refused on it.
        StopRun: if a model cannot be asked any more.
    """
    section = what.used(choosing(section), None)
    plan = plan_evaluation(data, data.sources.validation_split, section, training)
    found: list[Tried] = []
    with evaluating(model):
        texts, images = embed_plan(model, data, plan, section.batch_size)
        for component in (None, *map(dict, components)):
            try:
                rankings = Rankings(model, data, what.used(section, component), plan, texts, images)
                results = {
                    one.name: one
                    for question in plan.questions
                    for one in rankings.results(question)
                    if what.counts(one.name)
                }
            except DataError as error:
                if component is None or not what.may_refuse:
                    raise
                found.append(Tried(component, None, {}, refused=str(error)))
                continue
            scores = flat(results)
            found.append(Tried(component, best_metric(section, scores), scores, what.spent(rankings)))
    refused = [one for one in found if one.refused]
    if refused and len(refused) == len(components):
        raise DataError(f"every setting is refused on this split; the first: {refused[0].refused}")
    return sorted(found, key=lambda one: np.inf if one.score is None else -one.score)


def as_table(what: Tuned, found: Sequence[Tried], hidden: Sequence[str] = ()) -> str:
    """One line for each setting, in the given order; scores in percent.

    Args:
        what: was tuned.
        found: settings, at least the first of them with scores.
        hidden: arguments that are not shown, beside the type.
    """
    names = []
    for one in found:
        given = {key: value for key, value in (one.component or {}).items() if key not in ("type", *hidden)}
        spelt = " ".join(f"{key}={value!r}" for key, value in given.items())
        names.append(what.without if one.component is None else spelt or "as it is")
    width = max(map(len, (*names, "settings")))
    heads = [*found[0].scores, what.cost]
    lines = [f"{'settings':<{width}}  " + "  ".join(f"{head:>7}" for head in heads)]
    for name, one in zip(names, found, strict=True):
        if one.refused:
            lines.append(f"{name:<{width}}  refused: {one.refused}")
            continue
        cells = [*(f"{value:.2f}" for value in one.scores.values()), f"{one.cost:.2f}"]
        columns = [f"{cell:>{max(7, len(head))}}" for cell, head in zip(cells, heads, strict=True)]
        lines.append(f"{name:<{width}}  " + "  ".join(columns))
    return "\n".join(lines)


def tune(
    what: Tuned,
    asked: argparse.Namespace,
    components: Sequence[Mapping[str, Any]],
    overrides: Sequence[str],
    hidden: Sequence[str] = (),
) -> None:
    """What tools/rerank.py and tools/interact.py do: try the settings, print them, and say how to test the best.

    Args:
        what: is tuned.
        asked: of `cli.add_tuning`.
        components: to try.
        overrides: further values of the config.
        hidden: arguments that all of them share.

    Raises:
        TBPSError: as `open_trained` and `search`.
    """
    trained = open_trained(asked.checkpoint, asked.config, [*asked.cfg_options, *overrides])
    print(*trained.notes, sep="\n", end="\n" * bool(trained.notes))
    system, data, section = trained.system, trained.data, trained.settings.evaluation
    section = replace(section, metric=asked.by or section.metric)
    split = data.sources.validation_split
    found = search(what, system.model, data, section, components, known_texts(system, data))
    if asked.out:
        write_json(asked.out, {"split": split, "by": section.metric, "tried": [asdict(one) for one in found]})
    print(as_table(what, found, hidden))
    tried = f"{len(components)} setting{'s' * (len(components) > 1)} tried on the split {split!r}"
    if (best := found[0].component) is None:
        print(f"{tried}: none is better by {section.metric} than {what.without}.")
    else:
        print(f"{tried}; best by {section.metric}, to be evaluated on the test split once:")
        named = [asked.config] if asked.config else []
        options = [*asked.cfg_options, what.key.format(repr(best))]
        words = ["python", "tools/test.py", *named, asked.checkpoint, "--cfg-options", *options]
        print(f"  {' '.join(map(_quoted, map(str, words)))}")


def _quoted(word: str) -> str:
    """A word for a shell; in double quotes where that does, since values of configs hold single ones."""
    plain = shlex.quote(word)
    return plain if plain == word or set(word) & set('"$`\\!') else f'"{word}"'
