from collections import Counter

from tbpsbench.minipedes.dice import Dice


def test_streams_are_pinned_so_that_data_sets_never_change_silently():
    dice = Dice(0, "test", 1, "A")
    assert [dice.below(1000) for _ in range(5)] == [759, 309, 994, 211, 743]
    assert Dice(0, "test", 1, "A").bytes(4).tolist() == [3, 212, 7, 200]


def test_purpose_and_keys_select_different_streams():
    draws = {
        tuple(Dice(*key).below(10**6) for _ in range(1)) for key in [(0, "a", 1), (0, "b", 1), (0, "a", 2), (1, "a", 1)]
    }
    assert len(draws) == 4


def test_weighted_draws_follow_the_weights_and_stay_in_the_table():
    dice = Dice(3, "weights")
    seen = Counter(dice.weighted((("rare", 1), ("common", 9), ("never", 0))) for _ in range(2000))
    assert set(seen) == {"rare", "common"}
    assert 120 < seen["rare"] < 290


def test_shuffled_keeps_every_option():
    assert sorted(Dice(0, "shuffle").shuffled(range(20))) == list(range(20))
