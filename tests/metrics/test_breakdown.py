import numpy as np
import pytest

from tbpsbench.metrics.bootstrap import bootstrap_interval
from tbpsbench.metrics.breakdown import UNKNOWN, by_group, keys_of, labels_of, score_group, word_bucket
from tbpsbench.types import Caption, ImageRecord


def asked(attributes, text="a man", style=None, camera=None):
    caption = Caption(text, "query", 0, "human", "test", 0, style=style)
    return ImageRecord(0, "0.png", 1, "test", (caption,), camera=camera, attributes=attributes), caption


def test_groups_have_their_scores_and_numbers():
    per_query = {"R@1": np.array([1.0, 0.0, 0.5, 1.0]), "mAP": np.array([0.1, 0.2, 0.3, 0.4])}
    blue, red, unknown = by_group(per_query, np.array([1, 2, 3, 1]), ["red", "blue", "red", UNKNOWN])
    assert [group["value"] for group in (blue, red, unknown)] == ["blue", "red", UNKNOWN]
    assert red["scores"] == {"R@1": 75.0, "mAP": pytest.approx(20.0)}
    assert (red["queries"], red["identities"], red["few"]) == (2, 2, True)
    low, high = bootstrap_interval(np.array([1.0, 0.5]), np.array([1, 3]))
    assert red["intervals_95"]["R@1"] == [100 * low, 100 * high]
    assert unknown["intervals_95"] is None, "one person has no interval"


def test_weighted_scores_give_the_score_of_all():
    generator = np.random.default_rng(0)
    values, pids = {"mAP": generator.random(50)}, generator.integers(0, 20, 50)
    groups = by_group(values, pids, [word_bucket("word " * n) for n in range(1, 51)])
    total = sum(group["scores"]["mAP"] * group["queries"] for group in groups) / 50
    assert total == pytest.approx(score_group(values, pids, "all")["scores"]["mAP"])
    assert score_group(values, pids, "all")["scores"]["mAP"] == 100.0 * float(values["mAP"].mean())


def test_groups_are_few_below_thirty_queries_or_ten_persons():
    def few(queries, persons):
        return score_group({"R@1": np.ones(queries)}, np.arange(queries) % persons, "x")["few"]

    assert (few(30, 10), few(29, 10), few(30, 9)) == (False, True, True)


def test_groups_stand_in_natural_order():
    labels = ["11-20", "1-10", "41+", UNKNOWN, "9", "red", "10", ""]
    found = [group["value"] for group in by_group({"R@1": np.zeros(8)}, np.arange(8), labels)]
    assert found == ["", "1-10", "9", "10", "11-20", "41+", "red", UNKNOWN]


@pytest.mark.parametrize(
    ("words", "bucket"), [(1, "1-10"), (10, "1-10"), (11, "11-20"), (20, "11-20"), (40, "31-40"), (41, "41+")]
)
def test_buckets_end_at_their_edges(words, bucket):
    assert word_bucket(" a  b\n" * (words // 2) + " c" * (words % 2)) == bucket


def test_buckets_follow_other_edges():
    assert [word_bucket("a " * n, (3, 5)) for n in (3, 4, 6)] == ["1-3", "4-5", "6+"]
    assert [word_bucket("a " * n, (1, 2)) for n in (1, 2, 3)] == ["1", "2", "3+"]


def test_keys_are_what_is_known_and_one_value():
    facts = {"sex": "woman", "mentions": [["sex"]], "length": "long", "bag": None, "size": 0.5}
    queries = [asked({"sex": "man"}, style="terse"), asked(facts, camera=0)]
    assert keys_of(queries) == ["length", "style", "source", "camera", "attributes.length", "sex", "size"]
    assert labels_of("attributes.length", queries) == [UNKNOWN, "long"]
    assert labels_of("length", queries, (1, 2)) == ["2", "2"]
    assert labels_of("style", queries) == ["terse", UNKNOWN]
    assert labels_of("camera", queries) == [UNKNOWN, "0"]
    assert labels_of("source", queries) == ["human", "human"]


def test_lengths_that_disagree_are_refused():
    with pytest.raises(ValueError, match="one label"):
        by_group({"R@1": np.zeros(3)}, np.zeros(3), ["a", "b"])
