"""The division: mixture, threshold, consensus."""

import numpy as np
import pytest
from sklearn.mixture import GaussianMixture
from tbpsbench_rde.mixture import call_clean, clean_probability, consensus

CALM = {"max_iter": 10, "tol": 1e-2, "reg_covar": 5e-4, "random_state": 0}


def two_groups(clean=800, noisy=200):
    rng = np.random.default_rng(0)
    return np.concatenate([rng.normal(0.3, 0.1, clean), rng.normal(1.5, 0.2, noisy)])


def test_two_groups_of_losses_are_parted():
    clean = call_clean(clean_probability(two_groups(), **CALM))
    assert clean[:800].mean() > 0.99
    assert clean[800:].mean() < 0.01


@pytest.mark.parametrize("settings", [CALM, {"max_iter": 100, "tol": 1e-4, "reg_covar": 1e-6, "random_state": 3}])
def test_is_scikit_learns_mixture_of_the_scaled_losses(settings):
    loss = two_groups()
    scaled = ((loss - loss.min()) / (loss.max() - loss.min()))[:, None]
    mixture = GaussianMixture(n_components=2, **settings).fit(scaled)
    expected = mixture.predict_proba(scaled)[:, mixture.means_.ravel().argmin()]
    np.testing.assert_allclose(clean_probability(loss, **settings), expected, rtol=1e-9)
    np.testing.assert_allclose(clean_probability(5 + 3 * loss, **settings), expected, rtol=1e-6, atol=1e-9)


def test_equal_losses_are_all_clean_by_probability():
    assert clean_probability(np.full(7, 2.0), **CALM).tolist() == [1.0] * 7
    assert clean_probability(np.array([2.0]), **CALM).tolist() == [1.0]


@pytest.mark.parametrize("pairs", [1, 2, 99, 200])
def test_equal_losses_leave_every_pair_its_weight(pairs):
    clean = call_clean(clean_probability(np.zeros(pairs), **CALM))
    assert clean.all()
    assert (consensus(np.stack([clean, clean]), np.random.default_rng(0)) == 1).all()


def test_where_the_least_likely_hundredth_is_among_the_likeliest_only_pairs_below_them_are_noisy():
    probability = np.ones(300)
    probability[[7, 70]] = 0.9, 0.8  # two pairs; the released code takes the one that comes third as the threshold
    assert np.flatnonzero(~call_clean(probability)).tolist() == [7, 70]
    probability[[8, 9]] = 0.7
    assert np.flatnonzero(~call_clean(probability)).tolist() == [7, 8, 9, 70]


def test_threshold_is_one_half():
    assert call_clean(np.array([0.5, 0.51, 0.2])).tolist() == [False, True, False]


def test_where_nothing_is_noisy_the_least_likely_hundredth_is():
    probability = np.random.default_rng(0).permutation(np.linspace(0.6, 0.9, 300))
    noisy = ~call_clean(probability)
    assert noisy.sum() == 4  # 300 // 100 below the threshold, and the threshold itself
    assert probability[noisy].max() < probability[~noisy].min()


def test_agreement_decides_and_a_coin_decides_the_rest():
    clean = np.array([[True, False, True, False], [True, False, False, True]]).repeat(500, axis=1)
    weight = consensus(clean, np.random.default_rng(0))
    assert (weight[:500] == 1).all()
    assert (weight[500:1000] == 0).all()
    assert set(weight[1000:]) == {0.0, 1.0}
    assert abs(weight[1000:].mean() - 0.5) < 0.05
    other = consensus(clean, np.random.default_rng(1))
    assert (weight[1000:] != other[1000:]).any()


def test_one_head_alone_decides():
    clean = np.array([[True, False]])
    assert consensus(clean, np.random.default_rng(0)).tolist() == [1.0, 0.0]
