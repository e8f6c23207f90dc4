import numpy as np
import pytest

from tbpsbench.metrics.breakdown import by_group, word_bucket


def test_groups_have_their_mean_and_number():
    found = by_group(np.array([1.0, 0.0, 0.5, 1.0]), ["red", "blue", "red", None])
    assert found == {
        "red": {"mean": 0.75, "queries": 2},
        "blue": {"mean": 0.0, "queries": 1},
        None: {"mean": 1.0, "queries": 1},
    }


def test_weighted_means_give_the_whole_mean():
    values = np.random.default_rng(0).random(50)
    found = by_group(values, [word_bucket("word " * n) for n in range(1, 51)])
    assert sum(share["mean"] * share["queries"] for share in found.values()) / 50 == pytest.approx(values.mean())


@pytest.mark.parametrize(
    ("words", "bucket"), [(1, "1-10"), (10, "1-10"), (11, "11-20"), (20, "11-20"), (40, "31-40"), (41, "41+")]
)
def test_buckets_end_at_their_edges(words, bucket):
    assert word_bucket(" a  b\n" * (words // 2) + " c" * (words % 2)) == bucket


def test_buckets_follow_other_edges():
    assert [word_bucket("a " * n, (3, 5)) for n in (3, 4, 6)] == ["1-3", "4-5", "6+"]


def test_lengths_that_disagree_are_refused():
    with pytest.raises(ValueError, match="one label"):
        by_group(np.zeros(3), ["a", "b"])
