"""The registered metrics: each through its registry, on the example of the field notes."""

import numpy as np
import pytest

from tbpsbench.metrics.base import Metric
from tbpsbench.metrics.ranking import positive_ranks_from_scores, summarize
from tbpsbench.registry import METRICS

SCORES = np.array([[0.9, 0.8, 0.7, 0.6, 0.5], [0.1, 0.5, 0.4, 0.9, 0.3], [0.2, 0.3, 0.8, 0.1, 0.7]])
PIDS = [1, 2, 3], [1, 2, 1, 3, 2]
EXPECTED = {
    "RecallAtK": {"R@1": [1, 0, 0], "R@5": [1, 1, 1], "R@10": [1, 1, 1]},
    "MeanAP": {"mAP": [5 / 6, 1 / 2, 1 / 5]},
    "MeanINP": {"mINP": [2 / 3, 1 / 2, 1 / 5]},
    "TrapezoidalAP": {
        "mAP-trapezoidal": [0.5 * (1 + (2 / 3 + 1 / 2) / 2), 0.5 * ((1 / 2 + 0) / 2 + (2 / 4 + 1 / 3) / 2), 0.1]
    },
}


@pytest.mark.parametrize("name", EXPECTED)
def test_metric_gives_its_value_for_every_query(name):
    metric = METRICS.build({"type": name})
    values = metric.per_query(positive_ranks_from_scores(SCORES, *PIDS))
    assert list(values) == list(EXPECTED[name])
    for column, value_Q in values.items():
        assert value_Q.dtype == np.float64
        np.testing.assert_allclose(value_Q, EXPECTED[name][column], rtol=1e-12)


@pytest.mark.parametrize("name", METRICS.names())
@pytest.mark.parametrize("ties", ["pessimistic", "stable", "optimistic", "expected"])
def test_every_metric_stays_between_zero_and_one(name, ties):
    generator = np.random.default_rng(0)
    gallery_pids = generator.integers(0, 6, 60)
    query_pids = generator.choice(gallery_pids, 30)
    scores = generator.integers(0, 4, (30, 60)).astype(np.float32)
    metric = METRICS.build({"type": name})
    assert isinstance(metric, Metric)
    assert metric.name
    for value_Q in metric.per_query(positive_ranks_from_scores(scores, query_pids, gallery_pids, ties=ties)).values():
        assert value_Q.shape == (30,)
        assert ((value_Q >= 0) & (value_Q <= 1)).all()


def test_means_of_the_metrics_are_the_summary():
    ranks = positive_ranks_from_scores(SCORES, *PIDS)
    values = {}
    for name in ("RecallAtK", "MeanAP", "MeanINP"):
        values |= METRICS.build({"type": name}).per_query(ranks)
    assert {column: 100 * value_Q.mean() for column, value_Q in values.items()} == pytest.approx(summarize(ranks))


def test_recall_takes_other_cut_offs_and_refuses_none():
    ranks = positive_ranks_from_scores(SCORES, *PIDS)
    assert list(METRICS.build({"type": "RecallAtK", "ks": [2, 3]}).per_query(ranks)) == ["R@2", "R@3"]
    for ks in ((), (0, 1)):
        with pytest.raises(ValueError, match="at least 1"):
            METRICS.get("RecallAtK")(ks)
