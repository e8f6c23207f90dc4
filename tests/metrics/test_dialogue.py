"""Recall round by round, BRI and flips, against sums by hand."""

import numpy as np
import pytest

from tbpsbench.metrics.dialogue import Flips, best_log_rank_integral, round_table

FIRST = np.array([[4, 1, 20], [2, 3, 20], [3, 1, 6]])  # three rounds of three queries, from the search on


def test_cumulative_recall_never_falls_and_instantaneous_does():
    table = round_table(FIRST)
    assert [row["round"] for row in table] == [0, 1, 2]
    assert [row["instantaneous"]["R@1"] for row in table] == pytest.approx([100 / 3, 0, 100 / 3])
    assert [row["cumulative"]["R@1"] for row in table] == pytest.approx([100 / 3] * 3)
    assert [row["instantaneous"]["R@5"] for row in table] == pytest.approx([200 / 3] * 3)
    assert [row["cumulative"]["R@10"] for row in table] == pytest.approx([200 / 3, 200 / 3, 100])


def test_bri_is_the_mean_of_trapezoids_over_the_best_ranks():
    best = [[4, 2, 2], [1, 1, 1], [20, 20, 6]]
    expected = np.mean([sum((np.log(b[t]) + np.log(b[t + 1])) / 2 for t in range(2)) / 2 for b in best])
    assert best_log_rank_integral(FIRST) == pytest.approx(expected)


def test_bri_of_no_round_is_the_logarithm_of_the_first_rank():
    assert best_log_rank_integral(FIRST[:1]) == pytest.approx(np.log([4, 1, 20]).mean())


def test_flips_and_mcnemar():
    from scipy.stats import binomtest

    before = np.array([1] * 10 + [2] * 10)
    after = np.array([1] * 8 + [5] * 2 + [1] * 9 + [2])
    flips = Flips.of(before, after)
    assert (flips.right_to_wrong, flips.wrong_to_right) == (2, 9)
    assert flips.p == pytest.approx(binomtest(2, 11, 0.5).pvalue)
    assert Flips.of(before, before).p == 1.0
