import numpy as np
import pytest
import torch

from tbpsbench.errors import DataError
from tbpsbench.metrics.ranking import positive_ranks, positive_ranks_from_scores

NOTES_SCORES = np.array([[0.9, 0.8, 0.7, 0.6, 0.5], [0.1, 0.5, 0.4, 0.9, 0.3], [0.2, 0.3, 0.8, 0.1, 0.7]])
NOTES_PIDS = [1, 2, 3], [1, 2, 1, 3, 2]


def features(seed, items, width=32, dtype=np.float32):
    values = np.random.default_rng(seed).standard_normal((items, width)).astype(dtype)
    return torch.from_numpy(values / np.linalg.norm(values, axis=1, keepdims=True))


def tie_heavy(seed, queries=40, gallery=70, identities=6):
    generator = np.random.default_rng(seed)
    scores = (generator.integers(0, 5, (queries, gallery)) / 4 - 0.5).astype(np.float32)
    gallery_pids = generator.integers(0, identities, gallery)
    return scores, generator.choice(gallery_pids, queries), gallery_pids


@pytest.mark.parametrize("kind", [np.array, torch.tensor])
def test_nan_is_an_error_that_names_the_rows(kind):
    scores = NOTES_SCORES.copy()
    scores[1, 4] = np.nan
    with pytest.raises(DataError, match="query 1 are NaN"):
        positive_ranks_from_scores(kind(scores), *NOTES_PIDS)
    query, gallery = features(0, 3), features(1, 5)
    gallery[[2, 4], 0] = torch.tensor([torch.nan, torch.inf])
    with pytest.raises(DataError, match="gallery 2, 4 are NaN or infinite"):
        positive_ranks(query, gallery, *NOTES_PIDS)
    with pytest.raises(DataError, match="query 2, 4 are NaN or infinite"):
        positive_ranks(gallery, query, NOTES_PIDS[1], NOTES_PIDS[0])


def test_shapes_that_disagree_are_refused():
    query, gallery = features(0, 3), features(1, 5)
    with pytest.raises(DataError, match="width and type"):
        positive_ranks(query, features(1, 5, 16), *NOTES_PIDS)
    with pytest.raises(DataError, match="5 gallery rows but 4 gallery identities"):
        positive_ranks(query, gallery, [1, 2, 3], [1, 2, 3, 1])
    with pytest.raises(DataError, match="3 query rows but 2"):
        positive_ranks_from_scores(NOTES_SCORES, [1, 2], NOTES_PIDS[1])
    with pytest.raises(DataError, match="queries or gallery alone"):
        positive_ranks(query, gallery, *NOTES_PIDS, query_groups=[1, 2, 3])
    with pytest.raises(DataError, match="one group for each"):
        positive_ranks(query, gallery, *NOTES_PIDS, query_groups=[1, 2], gallery_groups=[1] * 5)
    with pytest.raises(DataError, match="gallery 1 has no group"):
        positive_ranks(query, gallery, *NOTES_PIDS, query_groups=[1, 2, 3], gallery_groups=[1, None, 2, 2, 2])
    with pytest.raises(DataError, match="shape"):
        positive_ranks_from_scores(NOTES_SCORES[0], [1], [1] * 5)


def test_autocast_and_precision_settings_do_not_change_a_number():
    query, gallery = features(0, 60), features(1, 200)
    pids = np.arange(60) % 20, np.arange(200) % 20
    expected = positive_ranks(query, gallery, *pids)
    torch.set_float32_matmul_precision("medium")
    try:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            found = positive_ranks(query.requires_grad_(), gallery, *pids)
        assert torch.get_float32_matmul_precision() == "medium"
    finally:
        torch.set_float32_matmul_precision("highest")
    assert found == expected


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16, torch.int64])
def test_scores_of_narrow_types_keep_their_ties(dtype):
    scores, *pids = tie_heavy(1)
    narrow = torch.from_numpy(scores * 4).to(dtype)
    assert positive_ranks_from_scores(narrow, *pids) == positive_ranks_from_scores(scores, *pids)


def test_float64_scores_are_not_rounded():
    scores = np.array([[0.5, 0.5 + 1e-15, 0.5 - 1e-15]])
    result = positive_ranks_from_scores(scores, [1], [1, 2, 3])
    assert result.ranks.tolist() == [1]
    assert result.ties == 0


def test_infinite_scores_are_ranked():
    scores = np.array([[-np.inf, 0.5, -np.inf, np.inf]])
    assert positive_ranks_from_scores(scores, [1], [1, 1, 2, 3]).ranks.tolist() == [1, 3]
