import numpy as np
import pytest
import torch

from tbpsbench.errors import DataError
from tbpsbench.metrics import products
from tbpsbench.metrics.ranking import (
    PositiveRanks,
    average_precision,
    inverse_negative_penalty,
    positive_ranks,
    positive_ranks_from_scores,
    product_rows,
    recall_at,
    summarize,
    trapezoidal_ap,
)

RULES = ("pessimistic", "stable", "optimistic")
COUNTINGS = ("sort", "compare", "tensor", "auto")
NOTES_SCORES = np.array([[0.9, 0.8, 0.7, 0.6, 0.5], [0.1, 0.5, 0.4, 0.9, 0.3], [0.2, 0.3, 0.8, 0.1, 0.7]])
NOTES_PIDS = [1, 2, 3], [1, 2, 1, 3, 2]


def plain_order(scores, match, ties):
    """Gallery positions of one query, best first, by a plain sort; None of the package's ideas are used."""
    gallery = range(len(scores))
    if ties == "stable":
        return sorted(gallery, key=lambda g: (-scores[g], g))
    first = match if ties == "optimistic" else ~match
    return sorted(gallery, key=lambda g: (-scores[g], not first[g], g))


def plain_values(scores_QG, query_pids, gallery_pids, ties, query_groups=None, gallery_groups=None):
    """Ranks of the positives, AP, INP and trapezoidal AP of every query, one by one in float64."""
    ranks, values = [], []
    for query, scores in enumerate(np.asarray(scores_QG, np.float64)):
        match = np.asarray(gallery_pids) == query_pids[query]
        stays = np.ones(len(match), bool)
        if query_groups is not None:
            stays = ~(match & (np.asarray(gallery_groups) == query_groups[query]))
        order = plain_order(scores[stays], match[stays], ties)
        found = [rank for rank, place in enumerate(order) if match[stays][place]]
        ranks.append(found)
        exact = np.mean([(i + 1) / (r + 1) for i, r in enumerate(found)])
        steps = [((i + 1) / (r + 1) + (i / r if r else 1.0)) / 2 for i, r in enumerate(found)]
        values.append((exact, len(found) / (found[-1] + 1), np.mean(steps)))
    return ranks, np.array(values)


def assert_equals_plain(result, scores_QG, query_pids, gallery_pids, ties, **groups):
    ranks, values = plain_values(scores_QG, query_pids, gallery_pids, ties, **groups)
    assert [part.tolist() for part in np.split(result.ranks, result.offsets[1:-1])] == ranks
    np.testing.assert_allclose(average_precision(result), values[:, 0], rtol=1e-12)
    np.testing.assert_allclose(inverse_negative_penalty(result), values[:, 1], rtol=1e-12)
    np.testing.assert_allclose(trapezoidal_ap(result), values[:, 2], rtol=1e-12)
    for k, hit_Q in recall_at(result, (1, 2, 5)).items():
        assert hit_Q.tolist() == [float(found[0] < k) for found in ranks]


def some_pids(generator, queries, gallery, identities):
    """Random identities; every query has a match."""
    gallery_pids = generator.integers(0, identities, gallery)
    return generator.choice(gallery_pids, queries), gallery_pids


def tie_heavy(seed, queries=40, gallery=70, identities=6, levels=5, dtype=np.float32):
    generator = np.random.default_rng(seed)
    scores = (generator.integers(0, levels, (queries, gallery)) / 4 - 0.5).astype(dtype)
    return scores, *some_pids(generator, queries, gallery, identities)


def features(seed, items, width=32, dtype=np.float32):
    values = np.random.default_rng(seed).standard_normal((items, width)).astype(dtype)
    return torch.from_numpy(values / np.linalg.norm(values, axis=1, keepdims=True))


@pytest.mark.parametrize("counting", COUNTINGS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_tie_free_scores_equal_a_plain_sort(counting, dtype):
    generator = np.random.default_rng(0)
    scores = generator.standard_normal((30, 101)).astype(dtype)
    pids = some_pids(generator, 30, 101, 7)
    for ties in RULES:
        result = positive_ranks_from_scores(scores, *pids, ties=ties, counting=counting)
        assert_equals_plain(result, scores, *pids, ties)
        assert (result.ties, result.tied_pairs) == (0, 0)


@pytest.mark.parametrize("counting", COUNTINGS)
@pytest.mark.parametrize("ties", RULES)
def test_tie_heavy_scores_equal_a_plain_sort(ties, counting):
    for seed in range(10):
        scores, *pids = tie_heavy(seed)
        result = positive_ranks_from_scores(scores, *pids, ties=ties, counting=counting)
        assert_equals_plain(result, scores, *pids, ties)


def test_stable_rule_equals_a_stable_descending_argsort():
    scores, query, gallery = tie_heavy(3)
    order = torch.argsort(torch.from_numpy(scores), dim=1, descending=True, stable=True).numpy()
    hits = gallery[order] == query[:, None]
    result = positive_ranks_from_scores(scores, query, gallery, ties="stable")
    assert result.ranks.tolist() == np.nonzero(hits)[1].tolist()


def test_ties_are_counted():
    scores, query, gallery = np.array([[0.5, 0.5, 0.5, 0.1], [0.9, 0.9, 0.2, 0.1]]), [1, 2], [1, 3, 1, 2]
    result = positive_ranks_from_scores(scores, query, gallery)
    assert (result.ties, result.tied_pairs) == (1, 2)
    assert result.tied.tolist() == [1, 1, 0]


@pytest.mark.parametrize("size", [1, 5, 64, 200, 401])
def test_collapsed_features_score_zero(size):
    one = features(0, 1, 48).repeat(size, 1)
    pids = np.arange(size) // 2
    gallery = torch.cat([one, one, one])
    values = summarize(positive_ranks(one, gallery, pids, np.concatenate([pids, pids + size, pids + 2 * size])))
    assert values["R@1"] == 0.0
    assert values["mAP"] < 100 * 2 / (size + 1) + 1e-9 if size > 1 else values["mAP"] < 50


@pytest.mark.parametrize("gallery", [3, 7, 33, 100, 193])
def test_equal_features_get_equal_similarities_wherever_they_stand(gallery):
    one, query = features(0, 1, 200), features(1, 9, 200)
    result = positive_ranks(query, one.repeat(gallery, 1), np.zeros(9, int), np.arange(gallery) % 3)
    assert result.tied.tolist() == [gallery - (gallery + 2) // 3] * len(result.tied)


@pytest.mark.parametrize("chunk", [1, 7, 31, 32, 33, 1000])
def test_chunks_do_not_change_a_number(chunk, monkeypatch):
    monkeypatch.setattr(products, "BLOCK_ROWS", 32)
    query, gallery = features(0, 150), features(1, 333)
    pids = some_pids(np.random.default_rng(2), 150, 333, 20)
    assert positive_ranks(query, gallery, *pids, chunk=chunk) == positive_ranks(query, gallery, *pids)
    scores, *tied_pids = tie_heavy(4)
    whole = positive_ranks_from_scores(scores, *tied_pids)
    assert positive_ranks_from_scores(scores, *tied_pids, chunk=chunk) == whole


@pytest.mark.parametrize("pieces", [2, 3])
def test_queries_shared_among_processes_give_the_same_ranks(pieces, monkeypatch):
    monkeypatch.setattr(products, "BLOCK_ROWS", 32)
    query, gallery = features(0, 150), features(1, 333)
    query_pids, gallery_pids = some_pids(np.random.default_rng(2), 150, 333, 20)
    query_pids[[5, 100]] = -1
    rows = product_rows(333)
    share = -(-len(query) // (rows * pieces)) * rows
    parts = [
        positive_ranks(query[i : i + share], gallery, query_pids[i : i + share], gallery_pids, skip_unmatched=True)
        for i in range(0, len(query), share)
    ]
    assert len(parts) == pieces
    whole = positive_ranks(query, gallery, query_pids, gallery_pids, skip_unmatched=True)
    assert PositiveRanks.concatenate(parts) == whole
    assert whole.skipped.tolist() == [5, 100]


@pytest.mark.parametrize("counting", ["sort", "compare", "tensor"])
def test_forms_of_counting_agree_on_features(counting):
    query, gallery = features(0, 90), features(1, 300)
    pids = some_pids(np.random.default_rng(2), 90, 300, 20)
    assert positive_ranks(query, gallery, *pids, counting=counting) == positive_ranks(query, gallery, *pids)


def test_features_rank_as_their_products_in_float64():
    query, gallery = features(0, 60), features(1, 200)
    pids = some_pids(np.random.default_rng(2), 60, 200, 20)
    scores = query.double().numpy() @ gallery.double().numpy().T
    expected = positive_ranks_from_scores(scores, *pids)
    assert positive_ranks(query, gallery, *pids) == expected
    assert positive_ranks(query.numpy(), gallery.numpy(), *map(torch.from_numpy, pids)) == expected
    assert positive_ranks(query.double(), gallery.double(), *pids) == expected


@pytest.mark.parametrize("counting", COUNTINGS)
@pytest.mark.parametrize("ties", RULES)
def test_same_identity_and_group_leave_the_gallery(ties, counting):
    for seed in range(5):
        scores, query, gallery = tie_heavy(seed)
        generator = np.random.default_rng(100 + seed)
        groups = {
            "query_groups": generator.choice(["summer", "winter", "rain"], len(query)),
            "gallery_groups": generator.choice(["summer", "winter", "rain"], len(gallery)),
        }
        result = positive_ranks_from_scores(scores, query, gallery, ties=ties, counting=counting, **groups)
        assert_equals_plain(result, scores, query, gallery, ties, **groups)
        removed = (query[:, None] == gallery) & (groups["query_groups"][:, None] == groups["gallery_groups"])
        assert result.gallery_size.tolist() == (len(gallery) - removed.sum(1)).tolist()


def test_group_by_image_removes_the_captioned_image_alone():
    scores, pids, images = np.array([[0.9, 0.8, 0.7]]), [4, 4, 5], [10, 11, 12]
    result = positive_ranks_from_scores(scores, [4], pids, query_groups=[10], gallery_groups=images)
    assert (result.ranks.tolist(), result.gallery_size.tolist()) == ([0], [2])


def test_unmatched_queries_are_an_error_that_names_them():
    with pytest.raises(
        DataError, match=r"2 of 3 queries .* query 0 \(identity 8\), 2 \(identity 9\)\. .*skip-unmatched"
    ):
        positive_ranks_from_scores(NOTES_SCORES, [8, 2, 9], NOTES_PIDS[1])
    with pytest.raises(DataError, match=r"identity 7\) and 5 more"):
        positive_ranks_from_scores(np.zeros((25, 1)), [7] * 25, [1])


def test_unmatched_queries_can_be_skipped_and_are_listed():
    result = positive_ranks_from_scores(NOTES_SCORES, [8, 2, 9], NOTES_PIDS[1], skip_unmatched=True)
    assert (result.query.tolist(), result.skipped.tolist(), len(result)) == ([1], [0, 2], 1)
    assert result.ranks.tolist() == [1, 3]
    nothing = positive_ranks_from_scores(NOTES_SCORES, [8, 8, 9], NOTES_PIDS[1], skip_unmatched=True)
    assert (len(nothing), nothing.ties, average_precision(nothing).tolist()) == (0, 0, [])
    with pytest.raises(DataError, match="no query has a match"):
        summarize(nothing)


def test_group_removal_can_leave_a_query_unmatched():
    groups = {"query_groups": [0, 0, 0], "gallery_groups": [0, 0, 0, 0, 0]}
    with pytest.raises(DataError, match="3 of 3 queries"):
        positive_ranks_from_scores(NOTES_SCORES, *NOTES_PIDS, **groups)


def test_unknown_rules_are_refused():
    with pytest.raises(ValueError, match="ties is 'random'"):
        positive_ranks_from_scores(NOTES_SCORES, *NOTES_PIDS, ties="random")
    with pytest.raises(ValueError, match="chunk"):
        positive_ranks_from_scores(NOTES_SCORES, *NOTES_PIDS, chunk=0)
    with pytest.raises(ValueError, match="k >= 1"):
        recall_at(positive_ranks_from_scores(NOTES_SCORES, *NOTES_PIDS), (0, 1))


def test_image_to_text_is_the_same_call_with_sides_swapped():
    image_pids, text_pids = NOTES_PIDS[1], NOTES_PIDS[0]
    result = positive_ranks_from_scores(NOTES_SCORES.T, image_pids, text_pids)
    assert_equals_plain(result, NOTES_SCORES.T, image_pids, text_pids, "pessimistic")


def test_rules_agree_without_ties_and_are_ordered_with_them():
    generator = np.random.default_rng(0)
    pids = some_pids(generator, 20, 50, 5)
    free = generator.standard_normal((20, 50))
    without = [summarize(positive_ranks_from_scores(free, *pids, ties=ties)) for ties in (*RULES, "expected")]
    for values in without[1:]:
        assert values == pytest.approx(without[0], abs=1e-9)
    scores, *pids = tie_heavy(6)
    low, middle, high = (
        summarize(positive_ranks_from_scores(scores, *pids, ties=ties))["mAP"]
        for ties in ("pessimistic", "expected", "optimistic")
    )
    assert low < middle < high


def test_block_is_bounded_for_large_galleries():
    assert product_rows(19_848) == 512
    assert product_rows(1_000_000) == 64
    assert all(product_rows(size) % 32 == 0 for size in (1, 1000, 150_000, 400_000, 10**7))


def test_an_accelerator_holds_whole_blocks_of_at_most_256_mib_or_one():
    for size in (1, 1000, 19_848, 150_000, 10**7):
        assert products.held_rows(size, "cpu") == product_rows(size)
        rows = products.held_rows(size, "cuda")
        assert rows % product_rows(size) == 0
        assert rows == product_rows(size) or 4 * size * rows <= 1 << 28
    assert products.held_rows(19_848, "cuda") == 6 * 512
