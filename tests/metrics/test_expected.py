from itertools import permutations

import numpy as np
import pytest
from cases import within_limits

from tbpsbench.metrics.expected import average_precision as expected_ap
from tbpsbench.metrics.expected import recall, tie_groups
from tbpsbench.metrics.ranking import (
    average_precision,
    inverse_negative_penalty,
    over_first,
    positive_ranks_from_scores,
    recall_at,
    summarize,
    trapezoidal_ap,
)


def plain_values(scores, match):
    """Rank of the first positive, AP, INP and trapezoidal AP after a stable sort, item by item."""
    order = sorted(range(len(scores)), key=lambda place: -scores[place])
    found = [rank for rank, place in enumerate(order) if match[place]]
    exact = np.mean([(i + 1) / (r + 1) for i, r in enumerate(found)])
    steps = [((i + 1) / (r + 1) + (i / r if r else 1.0)) / 2 for i, r in enumerate(found)]
    return found[0], exact, len(found) / (found[-1] + 1), np.mean(steps)


def groups(*queries):
    """(query, above, found, positives, others) of each tie group; queries are (ranks, ties)."""
    offsets = np.cumsum([0, *(len(ranks) for ranks, _ in queries)])
    found = tie_groups(*(np.concatenate(part) for part in zip(*queries, strict=True)), offsets)
    return [tuple(row) for row in np.stack([found.query, *found[:4]], axis=1).tolist()]


def test_tie_groups_are_found_from_ranks_and_ties():
    # P P n n | n | P | P n | n P: the third and fourth positive stand alone or with others of their own.
    found = groups(([0, 1, 5, 6, 9], [2, 2, 0, 1, 0]))
    assert found == [(0, 0, 0, 2, 2), (0, 5, 2, 1, 0), (0, 6, 3, 1, 1), (0, 9, 4, 1, 0)]


def test_neighbouring_groups_with_equally_many_ties_stay_apart():
    assert groups(([0, 2], [1, 1])) == [(0, 0, 0, 1, 1), (0, 2, 1, 1, 1)]


def test_groups_end_with_their_query():
    assert groups(([0], [2]), ([1, 2], [2, 2])) == [(0, 0, 0, 1, 2), (1, 1, 0, 2, 2)]


def test_large_ties_cost_neither_time_nor_memory():
    """Two positives tie with four million others: nothing is listed place by place for AP and R@k."""
    ranks, tied, offsets = np.array([7, 8]), np.full(2, 4_000_000), np.array([0, 2])
    with within_limits():
        low, high = (recall(ranks, tied, offsets, k)[0] for k in (1000, 2_000_000))
    assert low == pytest.approx(1 - (1 - 993 / 4_000_002) ** 2, rel=1e-3)
    assert high == pytest.approx(0.75, abs=1e-4)
    assert 0 < expected_ap(ranks, tied, offsets)[0] < 1e-5


def test_a_function_of_the_first_match_follows_each_rule():
    """The match is second, or third among two that tie with it."""
    for ties, rank in (("pessimistic", 3), ("stable", 2), ("optimistic", 1)):
        ranks = positive_ranks_from_scores(np.array([[0.9, 0.5, 0.5, 0.5]]), [1], [0, 0, 1, 0], ties=ties)
        assert over_first(ranks, lambda r: 10 * r).tolist() == [10 * rank]
    ranks = positive_ranks_from_scores(np.array([[0.9, 0.5, 0.5, 0.5]]), [1], [0, 0, 1, 0], ties="expected")
    assert over_first(ranks, lambda r: 10 * r) == pytest.approx([20])
    assert over_first(ranks, lambda r: 1 / (r + 1)) == pytest.approx([(1 / 2 + 1 / 3 + 1 / 4) / 3])


def test_collapsed_model_is_expected_to_score_like_chance():
    pids = np.repeat(np.arange(10), 4)
    values = summarize(positive_ranks_from_scores(np.zeros((40, 40)), pids, pids, ties="expected"))
    assert values["R@1"] == pytest.approx(10.0)
    assert values["mAP"] < 20


def test_expected_ties_equal_the_mean_over_all_orders():
    generator = np.random.default_rng(0)
    for _ in range(25):
        gallery = 6
        scores = generator.integers(0, 3, gallery) / 2
        pids = generator.integers(0, 2, gallery)
        pids[generator.integers(gallery)] = 1
        # Every permutation of the gallery, then a stable sort: each order of each tie group is equally frequent.
        every = [list(order) for order in permutations(range(gallery))]
        plain = np.array([plain_values(scores[order], pids[order] == 1) for order in every])
        result = positive_ranks_from_scores(scores[None], [1], pids, ties="expected")
        ours = [average_precision(result)[0], inverse_negative_penalty(result)[0], trapezoidal_ap(result)[0]]
        assert ours == pytest.approx(plain[:, 1:].mean(0).tolist(), abs=1e-12)
        assert over_first(result, lambda rank: 1 / (1 + rank))[0] == pytest.approx((1 / (1 + plain[:, 0])).mean())
        for k, value_Q in recall_at(result, (1, 2, 3, 6)).items():
            assert over_first(result, lambda rank, k=k: rank < k)[0] == pytest.approx(value_Q[0], abs=1e-12)
            assert value_Q[0] == pytest.approx((plain[:, 0] < k).mean(), abs=1e-12)
