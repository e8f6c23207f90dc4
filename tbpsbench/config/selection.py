"""By which score a run chooses its checkpoint; told from a config alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from tbpsbench import registry
from tbpsbench.arguments import did_you_mean
from tbpsbench.config.schema import EvaluationSection
from tbpsbench.entries import Problem
from tbpsbench.errors import RegistryError


def choosing_protocols(section: EvaluationSection) -> tuple[str, ...]:
    """Those that are scored after every epoch; with distractors only where there are no others."""
    plain = tuple(name for name in section.protocols if not registry.PROTOCOLS.get(name).distractors)
    return plain or section.protocols


def score_names(section: EvaluationSection) -> dict[str, float]:
    """Keys that `Evaluation.flat` will have, without evaluating anything: a one-query ranking shows the columns."""
    # Not before a config is checked: scipy comes along.
    from tbpsbench.metrics.ranks import PositiveRanks
    from tbpsbench.metrics.result import per_query_values

    one = np.zeros(1, np.int64)
    toy = PositiveRanks(one, np.array([0, 1]), one + 1, one, section.ties, one, one[:0])
    columns = per_query_values(toy, section.metrics)
    names = dict.fromkeys(columns, 0.0)
    for protocol in section.protocols[1:]:
        names |= {f"{protocol}/{column}": 0.0 for column in columns}
    return names


def metric_problems(evaluation: Mapping[str, Any]) -> Iterator[Problem]:
    """An `evaluation.metric` that no score is called by.

    Scores of a plug-in's metrics are not asked for here: its class may do anything. Training asks before its first
    step.

    Args:
        evaluation: the whole section; protocols and metrics may be wrong, which is told elsewhere.
    """
    section = EvaluationSection(**evaluation)
    known = registry.PROTOCOLS.names()
    if section.selection == "last" or any(name not in known for name in section.protocols):
        return
    if not section.metrics or not all(registry.METRICS.is_builtin(metric["type"]) for metric in section.metrics):
        return
    try:
        names = score_names(replace(section, protocols=choosing_protocols(section)))
    except RegistryError:
        return
    if section.metric not in names:
        yield Problem(
            "evaluation.metric",
            f"no score is called {section.metric!r:.80}.{did_you_mean(section.metric, names)}",
            f"Scores: {', '.join(names)}",
        )
