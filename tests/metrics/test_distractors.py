import numpy as np
import pytest

from tbpsbench.errors import DataError
from tbpsbench.metrics.ranking import positive_ranks
from tbpsbench.metrics.ranks import TIES


def drawn(seed=0, queries=37, gallery=60, distractors=500, width=6, levels=None):
    generator = np.random.default_rng(seed)
    sides = [generator.normal(size=(n, width)) for n in (queries, gallery, distractors)]
    if levels:  # few values: many ties
        sides = [np.round(side * levels) / levels for side in sides]
    query, images, others = (side.astype(np.float32) for side in sides)
    pids = generator.integers(0, 12, queries), generator.integers(0, 12, gallery)
    return query, images, others, *pids


@pytest.mark.parametrize("ties", TIES)
@pytest.mark.parametrize("levels", [None, 1])
@pytest.mark.parametrize("part", [1, 77, 1000])
def test_equals_a_gallery_that_holds_them(ties, levels, part):
    query, images, others, query_pids, pids = drawn(levels=levels)
    parts = [others[start : start + part] for start in range(0, len(others), part)]
    ours = positive_ranks(query, images, query_pids, pids, ties=ties, distractors=parts, skip_unmatched=True)
    whole = np.concatenate([images, others]), np.concatenate([pids, np.full(len(others), -1)])
    theirs = positive_ranks(query, whole[0], query_pids, whole[1], ties=ties, skip_unmatched=True)
    assert ours == theirs


def test_parts_are_asked_for_once_and_one_at_a_time():
    query, images, others, query_pids, pids = drawn()
    held = []

    def parts():
        for start in range(0, len(others), 100):
            held.append(start)
            yield others[start : start + 100]

    positive_ranks(query, images, query_pids, pids, distractors=parts(), skip_unmatched=True)
    assert held == [0, 100, 200, 300, 400]


def test_distractors_of_another_width_or_not_finite_are_refused():
    query, images, others, query_pids, pids = drawn()
    with pytest.raises(DataError, match="distractor features have 5 values, the queries 6"):
        positive_ranks(query, images, query_pids, pids, distractors=[others[:, :5]], skip_unmatched=True)
    others[3, 2] = np.nan
    with pytest.raises(DataError, match="features of distractor 3 are NaN"):
        positive_ranks(query, images, query_pids, pids, distractors=[others], skip_unmatched=True)
