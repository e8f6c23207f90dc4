"""Metrics side by side: none may speak for another, and each keeps the promise of its base."""

import numpy as np
import pytest

from tbpsbench.errors import RegistryError
from tbpsbench.metrics.base import Metric
from tbpsbench.metrics.ranking import positive_ranks_from_scores
from tbpsbench.metrics.result import per_query_values
from tbpsbench.registry import METRICS


@pytest.fixture
def ranks():
    scores_QG = np.random.default_rng(0).normal(size=(6, 12)).astype(np.float32)
    return positive_ranks_from_scores(scores_QG, np.arange(6), np.repeat(np.arange(6), 2))


@pytest.fixture
def metric():
    """Register a plug-in's metric that returns what it is told."""

    def add(own):
        @METRICS.register("Own")
        class Own(Metric):
            name = "own"

            def per_query(self, ranks):
                return own

    yield add
    METRICS.remove("Own")


RECALL, OWN = {"type": "RecallAtK"}, {"type": "Own"}


def test_values_of_several_metrics_come_together(metric, ranks):
    metric({"own": np.full(6, 0.5)})
    assert list(per_query_values(ranks, [RECALL, OWN])) == ["R@1", "R@5", "R@10", "own"]


@pytest.mark.parametrize("order", [[RECALL, OWN], [OWN, RECALL], [RECALL, RECALL]])
def test_a_score_is_given_once(metric, ranks, order):
    metric({"R@1": np.ones(6)})
    with pytest.raises(RegistryError, match=r"gives the score 'R@1', which \w+ gave already"):
        per_query_values(ranks, order)


@pytest.mark.parametrize(
    ("own", "message"),
    [
        ({}, "no score at all"),
        (None, "no score at all"),
        ({"own": np.full(6, 7.0)}, "fractions from 0 to 1"),
        ({"own": np.full(6, np.nan)}, "fractions from 0 to 1"),
        ({"own": np.full(5, 0.5)}, "expected 6 numbers"),
        ({"own": 0.5}, "expected 6 numbers"),
        ({"own": ["a"] * 6}, "expected 6 numbers"),
    ],
)
def test_a_metric_gives_a_fraction_for_each_query(metric, ranks, own, message):
    metric(own)
    with pytest.raises(RegistryError, match=message):
        per_query_values(ranks, [OWN])
