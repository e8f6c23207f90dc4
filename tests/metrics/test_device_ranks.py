"""Ranks where the similarities lie are those of the other way, for every rule, grouping and kind of tie."""

import numpy as np
import pytest
import torch

from tbpsbench.metrics.device_ranks import DeviceRanks
from tbpsbench.metrics.ranking import positive_ranks_by


def problem(seed, dtype):
    """Similarities with many ties, identities of zero to many matches, groups that take some of them away."""
    rng = np.random.default_rng(seed)
    queries, gallery = 23, 40
    scores_QG = (rng.integers(-3, 4, (queries, gallery)) / 4).astype(dtype)
    scores_QG[0, :3] = np.inf, -np.inf, -0.0
    query, images = rng.integers(0, 9, queries), rng.integers(0, 7, gallery)
    return scores_QG, query, images, rng.integers(0, 3, queries), rng.integers(0, 3, gallery)


def ranked(scores_QG, *labels, **options):
    whole = torch.from_numpy(scores_QG)
    return positive_ranks_by(lambda start, stop: whole[start:stop], *labels, skip_unmatched=True, **options)


@pytest.mark.parametrize("ties", ["pessimistic", "optimistic", "expected"])
@pytest.mark.parametrize("grouped", [False, True])
@pytest.mark.parametrize("chunk", [4, 100])
def test_equal_to_block_by_block(ties, grouped, chunk, monkeypatch):
    taken, real = [], DeviceRanks.finish
    monkeypatch.setattr(DeviceRanks, "finish", lambda self, ties: taken.append(1) or real(self, ties))
    for seed in range(12):
        dtype = (np.float32, np.float64)[seed % 2]
        scores_QG, query, images, group_Q, group_G = problem(seed, dtype)
        groups = {"query_groups": group_Q, "gallery_groups": group_G} if grouped else {}
        found, expected = (
            ranked(scores_QG, query, images, ties=ties, chunk=chunk, counting=how, **groups)
            for how in ("tensor", "compare")
        )
        for name, value in vars(expected).items():
            if isinstance(value, np.ndarray):
                assert getattr(found, name).dtype == value.dtype, name
                assert np.array_equal(getattr(found, name), value), name
            else:
                assert getattr(found, name) == value
    assert len(taken) == 12


def test_places_in_the_gallery_are_asked_for_block_by_block(monkeypatch):
    monkeypatch.setattr(DeviceRanks, "add", None)
    scores_QG, query, images, *_ = problem(1, np.float32)
    found, expected = (ranked(scores_QG, query, images, ties="stable", counting=how) for how in ("tensor", "compare"))
    assert np.array_equal(found.ranks, expected.ranks)


def test_no_matches_at_all():
    found = positive_ranks_by(
        lambda start, stop: torch.zeros(stop - start, 3), [1, 2], [5, 6, 7], counting="tensor", skip_unmatched=True
    )
    assert len(found) == 0
    assert found.skipped.tolist() == [0, 1]
