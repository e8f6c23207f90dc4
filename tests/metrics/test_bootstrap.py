import numpy as np
import pytest

from tbpsbench.metrics import bootstrap
from tbpsbench.metrics.bootstrap import bootstrap_interval


def clustered(seed, identities=60, each=5, spread=0.5):
    """Values with a mean of 0 that identities share in part."""
    generator = np.random.default_rng(seed)
    groups = np.repeat(np.arange(identities), each)
    shared = generator.standard_normal(identities) * spread
    return shared[groups] + 0.2 * generator.standard_normal(len(groups)), groups


def test_interval_covers_the_truth_about_as_often_as_it_says():
    intervals = [bootstrap_interval(*clustered(seed), draws=300, level=0.9, seed=seed) for seed in range(200)]
    covered = np.mean([low <= 0 <= high for low, high in intervals])
    assert 0.84 <= covered <= 0.96


def test_resampling_queries_alone_would_be_too_narrow():
    values, groups = clustered(0)
    low, high = bootstrap_interval(values, groups)
    narrow_low, narrow_high = bootstrap_interval(values, np.arange(len(values)))
    assert high - low > 1.5 * (narrow_high - narrow_low)


def test_same_seed_gives_the_same_interval(monkeypatch):
    values, groups = clustered(1)
    first = bootstrap_interval(values, groups, seed=3)
    assert bootstrap_interval(values, groups, seed=3) == first
    assert bootstrap_interval(values, groups, seed=4) != first
    monkeypatch.setattr(bootstrap, "MAX_HELD", 100)
    assert bootstrap_interval(values, groups, seed=3) == pytest.approx(first, abs=1e-12)


def test_interval_equals_a_plain_loop_over_draws():
    values, groups = np.array([1.0, 0.0, 0.0, 1.0, 1.0, 0.5]), ["a", "a", "b", "c", "c", "c"]
    times = np.random.default_rng(5).multinomial(3, [1 / 3] * 3, size=50)
    means = []
    for drawn in times:
        sample = [v for v, g in zip(values, groups, strict=True) for _ in range(drawn["abc".index(g)])]
        means.append(np.mean(sample))
    expected = np.quantile(means, [0.05, 0.95])
    assert bootstrap_interval(values, groups, draws=50, level=0.9, seed=5) == pytest.approx(tuple(expected))


def test_one_identity_has_no_spread():
    assert bootstrap_interval(np.array([0.0, 1.0]), [4, 4]) == (0.5, 0.5)


def test_bad_arguments_are_refused():
    with pytest.raises(ValueError, match="equal length"):
        bootstrap_interval(np.zeros(3), [1, 2])
    with pytest.raises(ValueError, match="not empty"):
        bootstrap_interval(np.zeros(0), [])
    with pytest.raises(ValueError, match="level"):
        bootstrap_interval(np.zeros(1), [1], level=95)
