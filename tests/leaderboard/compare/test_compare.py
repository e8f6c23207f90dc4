"""The comparison of two systems: its arithmetic, what it refuses, and how often it errs where the truth is known."""

import json
import shutil
from functools import lru_cache

import numpy as np
import pytest

from tbpsbench.errors import DataError
from tbpsbench.leaderboard.compare.compare import compare, read_system
from tbpsbench.leaderboard.compare.statistics import difference

from ..factory import edit, edit_ranks, fix_hashes, imagine, make_seeds, read
from ..simulate import SIZES, World, draw, rejections

REPEATS = 400


# The promise of protocol.md section 2, three seeds on each side, at the sizes of two real test splits.


@pytest.mark.parametrize("size", ["RSTPReid", "CUHK-PEDES"])
def test_two_draws_of_seeds_of_one_system_are_not_told_apart(size):
    assert rejections(REPEATS, SIZES[size], same=True) <= 0.10


@pytest.mark.parametrize("size", ["RSTPReid", "CUHK-PEDES"])
def test_two_systems_of_equal_score_are_not_told_apart(size):
    assert rejections(REPEATS, SIZES[size], seed=1) <= 0.10


@pytest.mark.parametrize("size", ["RSTPReid", "CUHK-PEDES"])
def test_a_gap_of_five_points_is_found(size):
    assert rejections(REPEATS, SIZES[size], gap=5.0, seed=2) >= 0.80


@pytest.mark.parametrize(("seed_points", "seeds"), [(0.0, (3, 3)), (2.0, (3, 3)), (0.7, (2, 2)), (0.7, (2, 5))])
def test_false_claims_stay_rare_in_other_worlds(seed_points, seeds):
    assert rejections(REPEATS, SIZES["RSTPReid"], seeds, same=True, world=World(seed=seed_points)) <= 0.10


def test_small_data_sets_give_no_false_claims_either():
    """MiniPEDES has 51 people: power is about a half (benchmarks/compare_power.py), errors must not rise for that."""
    assert rejections(REPEATS, SIZES["MiniPEDES"], same=True) <= 0.10


def test_ignoring_seeds_would_claim_what_is_not_there():
    """Why seeds are resampled: identities alone, as with one seed each, take a lucky seed for a better system."""
    large = rejections(REPEATS, SIZES["CUHK-PEDES"], (1, 1), same=True, world=World(seed=1.0))
    assert large > 0.10


def test_claims_of_the_wrong_sign_do_not_count_as_power():
    def wrong(a_SQ, b_SQ, identity_Q, draws):
        return difference(b_SQ, a_SQ, identity_Q, draws=draws)

    assert rejections(20, SIZES["RSTPReid"], gap=5.0, test=wrong) == 0


@lru_cache
def study(seeds=(3, 3), size="RSTPReid", gap=3.0):
    return draw(np.random.default_rng(5), SIZES[size], seeds, (60 + gap, 60))


def test_interval_p_value_and_estimate_agree():
    a_SQ, b_SQ, identity_Q = study()
    found = difference(a_SQ, b_SQ, identity_Q)
    assert found.estimate == pytest.approx(a_SQ.mean() - b_SQ.mean())
    assert found.low + found.high == pytest.approx(2 * found.estimate)
    assert (found.p_value < 0.05) == (found.low > 0 or found.high < 0)
    at_the_edge = difference(a_SQ - found.low, b_SQ, identity_Q)
    assert at_the_edge.p_value == pytest.approx(0.05, abs=1e-6)


def test_swapping_the_sides_turns_the_sign():
    a_SQ, b_SQ, identity_Q = study((2, 4))
    one, two = difference(a_SQ, b_SQ, identity_Q), difference(b_SQ, a_SQ, identity_Q)
    assert one.estimate == pytest.approx(-two.estimate)
    assert (one.low, one.high) == pytest.approx((-two.high, -two.low))
    assert one.p_value == pytest.approx(two.p_value)


@pytest.mark.parametrize("seeds", [(3, 3), (12, 12), (2, 5)])
def test_resampled_interval_agrees_with_the_other(seeds):
    found = difference(*study(seeds), draws=8000)
    low, high = found.resampled
    assert high - low == pytest.approx(found.high - found.low, rel=0.15)
    assert (low + high) / 2 == pytest.approx(found.estimate, abs=0.1 * (high - low))


def test_spread_of_the_estimate_is_what_the_error_says():
    rng, errors, estimates = np.random.default_rng(3), [], []
    for _ in range(300):
        found = difference(*draw(rng, SIZES["RSTPReid"], (3, 3), (62, 60)), draws=0)
        errors.append(found.standard_error)
        estimates.append(found.estimate)
    assert np.mean(np.square(errors)) ** 0.5 == pytest.approx(np.std(estimates), rel=0.15)


def test_few_seeds_widen_the_interval():
    few, many = difference(*study((2, 2))), difference(*study((12, 12)))
    assert few.df < many.df
    assert few.high - few.low > many.high - many.low


def test_one_seed_on_one_side_borrows_the_others_variance():
    a_SQ, b_SQ, identity_Q = study((1, 4))
    # Seeds that differ by a shift of all queries: none of the variance between them comes from queries that flip.
    shift_S = np.array([-3.0, -1.0, 1.0, 3.0])
    found = difference(a_SQ, b_SQ[:1] + shift_S[:, None], identity_Q)
    assert found.basis == "one"
    assert found.seeds == (1, 4)
    assert found.seed_error == pytest.approx((shift_S.var(ddof=1) * (1 / 1 + 1 / 4)) ** 0.5)


def test_equal_values_are_no_difference():
    a_SQ, _, identity_Q = study()
    found = difference(a_SQ, a_SQ, identity_Q)
    assert (found.estimate, found.p_value > 0.9) == (0, True)
    always = difference(np.ones((2, 4)), np.ones((2, 4)), np.array([0, 0, 1, 1]))
    assert (always.p_value, always.low, always.high) == (1, 0, 0)


def test_shapes_and_numbers_of_people_are_checked():
    with pytest.raises(DataError, match="at least two"):
        difference(np.ones((2, 3)), np.ones((2, 3)), np.zeros(3))
    with pytest.raises(ValueError, match="queries"):
        difference(np.ones((2, 3)), np.ones((2, 4)), np.zeros(3))


# Records.


@pytest.fixture(scope="module")
def shelf(tmp_path_factory):
    """Two systems over three seeds, one of them much better."""
    root = tmp_path_factory.mktemp("shelf")
    imagined = imagine(root / "data", identities=30, images=4)
    make_seeds(root / "good", imagined, name="good", skill=3.2)
    make_seeds(root / "poor", imagined, name="poor", skill=1.8)
    return root


@pytest.fixture
def shelves(shelf, tmp_path):
    return shutil.copytree(shelf, tmp_path / "shelf", ignore=shutil.ignore_patterns("data"))


def test_better_system_is_named(shelf):
    found = compare(shelf / "good", shelf / "poor")
    assert found.significant
    assert found.verdict.startswith("good is better than poor by ")
    assert found.difference.seeds == (3, 3)
    assert found.difference.identities == 30
    means = []
    for name in ("good", "poor"):
        records = map(read, read_system(shelf / name).folders)
        means.append(np.mean([record["results"]["standard"]["scores"]["R@1"] for record in records]))
    assert found.scores == pytest.approx(means)
    assert found.difference.estimate == pytest.approx(means[0] - means[1])
    assert "seeds 0, 1, 2" in found.report()
    json.dumps(found.to_json(), allow_nan=False)


def test_seeds_of_one_system_are_not_told_apart(shelf):
    found = compare([shelf / "good" / "good-0", shelf / "good" / "good-1"], shelf / "good" / "good-2", metric="mAP")
    assert not found.significant
    assert "do not differ significantly" in found.verdict
    assert "is used for both" in found.report()
    assert found.a != found.b, "one name twice would confuse the reader"


def test_single_seeds_are_said_to_prove_little(shelf):
    found = compare(shelf / "good" / "good-0", shelf / "poor" / "poor-0")
    assert found.difference.basis == "none"
    assert "one seed each" in found.verdict
    assert "seeds unknown" in found.report()


@pytest.mark.parametrize(
    ("change", "key", "message"),
    [
        (lambda r: r["data"]["sources"][0].update(sha256="0" * 64), "annotations", "annotation file"),
        (lambda r: r.update(track="gallery-text"), "track", "'dual-encoder' and 'gallery-text'"),
        (lambda r: r["protocol"].update(ties="optimistic"), "ties", "rule for ties"),
        (lambda r: r["spec"].update(data="Other"), "data", "'Other'"),
        (lambda r: r["spec"].update(version=2), "spec", "version of the specification"),
        (lambda r: r["results"]["standard"].update(gallery=7), "gallery", "size of the gallery"),
    ],
)
def test_other_conditions_are_refused_by_name_and_can_be_allowed(shelves, change, key, message):
    for folder in read_system(shelves / "poor").folders:
        edit(folder, change)
    with pytest.raises(DataError, match=message) as error:
        compare(shelves / "good", shelves / "poor")
    assert key in str(error.value)
    found = compare(shelves / "good", shelves / "poor", allow=[key])
    assert any("differs" in note for note in found.notes)


def test_other_queries_are_refused_or_cut_to_the_common_ones(shelves):
    def drop_last(arrays):
        offsets = arrays["standard/offsets"]
        for key in ("ranks", "tied"):
            arrays[f"standard/{key}"] = arrays[f"standard/{key}"][: offsets[-2]]
        for key in ("gallery_size", "query", "query_pid", "query_id", "offsets"):
            arrays[f"standard/{key}"] = arrays[f"standard/{key}"][:-1]

    folder = shelves / "poor" / "poor-1" / "record"
    edit_ranks(folder, drop_last)
    fix_hashes(folder)
    with pytest.raises(DataError, match="239 in common"):
        compare(shelves / "good", shelves / "poor")
    assert compare(shelves / "good", shelves / "poor", allow=["queries"]).difference.queries == 239


def test_order_of_the_queries_does_not_matter(shelves):
    before = compare(shelves / "good", shelves / "poor").difference

    def turn(arrays):
        own = {key: arrays[f"standard/{key}"] for key in ("ranks", "tied", "offsets", "query_pid", "query_id")}
        for key in ("ranks", "tied"):
            pieces = np.split(own[key], own["offsets"][1:-1])
            arrays[f"standard/{key}"] = np.concatenate(pieces[::-1])
        arrays["standard/offsets"] = np.concatenate([[0], np.cumsum(np.diff(own["offsets"])[::-1])])
        for key in ("query_pid", "query_id"):
            arrays[f"standard/{key}"] = own[key][::-1]

    edit_ranks(shelves / "poor" / "poor-2" / "record", turn)
    after = compare(shelves / "good", shelves / "poor").difference
    assert after.estimate == pytest.approx(before.estimate)
    assert after.p_value == pytest.approx(before.p_value)


def test_sides_that_are_no_single_system_are_refused(shelves, tmp_path):
    with pytest.raises(DataError, match="2 systems") as error:
        compare(shelves, shelves / "good")
    assert "good" in str(error.value)
    assert "poor" in str(error.value)
    with pytest.raises(DataError, match="is on both sides"):
        compare(shelves / "good", [shelves / "good" / "good-1"])
    shutil.copytree(shelves / "good" / "good-1", shelves / "good" / "again")
    with pytest.raises(DataError, match="the same seed more than once"):
        compare(shelves / "good", shelves / "poor")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"no record\.json"):
        compare(tmp_path / "empty", shelves / "poor")


def test_unknown_names_are_answered_with_the_known_ones(shelf):
    good, poor = shelf / "good", shelf / "poor"
    with pytest.raises(DataError, match="Did you mean 'mAP'"):
        compare(good, poor, metric="mAp")
    with pytest.raises(DataError, match="only: standard"):
        compare(good, poor, protocol="clothes-change")
    with pytest.raises(DataError, match="annotations"):
        compare(good, poor, allow=["annotation"])


def test_selection_on_test_is_noted(shelves):
    for folder in read_system(shelves / "poor").folders:
        edit(folder, lambda r: r["selection"].update(rule="test"))
    notes = " ".join(compare(shelves / "good", shelves / "poor").notes)
    assert "chosen by different rules" in notes
    assert "poor was selected on test" in notes


def test_one_model_evaluated_in_two_ways_is_compared_with_itself():
    """Seeds far apart, and a gain that each of them shows: found where seeds are paired, lost where they are not."""
    rng = np.random.default_rng(0)
    identity_Q = np.repeat(np.arange(60), 5)
    b_SQ = 50 + np.array([[-20.0], [0.0], [20.0]]) + rng.normal(0, 5, (3, 300))
    a_SQ = b_SQ + 2 + rng.normal(0, 1, (3, 300))
    apart, paired = difference(a_SQ, b_SQ, identity_Q), difference(a_SQ, b_SQ, identity_Q, paired=True)
    assert paired.estimate == pytest.approx(apart.estimate)
    assert apart.p_value > 0.5
    assert paired.p_value < 0.01
    assert paired.low < 2.05
    assert paired.high > 1.95
    with pytest.raises(ValueError, match="paired"):
        difference(a_SQ[:2], b_SQ, identity_Q, paired=True)


def test_identical_results_of_one_model_differ_by_nothing():
    a_SQ = np.random.default_rng(1).integers(0, 2, (3, 40)) * 100.0
    found = difference(a_SQ, a_SQ, np.arange(40) // 2, paired=True)
    assert (found.estimate, found.low, found.high, found.p_value) == (0, 0, 0, 1)


def test_an_interval_stays_within_what_values_could_give():
    a_SQ = np.zeros((2, 40))
    a_SQ[0, :3] = a_SQ[1, 1:4] = 100.0
    found = difference(a_SQ, np.zeros((2, 40)), np.arange(40) // 2)
    assert -100 <= found.low <= found.estimate <= found.high <= 100
    assert found.resampled is not None
    assert -100 <= found.resampled[0] <= found.resampled[1] <= 100
