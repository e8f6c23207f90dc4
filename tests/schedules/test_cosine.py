import math

import pytest

from tbpsbench.schedules.cosine import Cosine


def test_falls_from_one_to_the_floor_and_stays_there():
    schedule = Cosine(max_epochs=12, warmup_epochs=2, min_factor=0.2)
    assert [schedule.factor(e) for e in (2, 7, 12, 15)] == pytest.approx([1, 0.6, 0.2, 0.2])
    falls = [schedule.factor(e / 10) for e in range(20, 121)]
    assert falls == sorted(falls, reverse=True)


def test_quarter_of_the_way_by_hand():
    assert Cosine(8, 0).factor(2) == pytest.approx((1 + math.sqrt(0.5)) / 2)


def test_a_run_that_is_all_warm_up_has_an_end():
    assert Cosine(2, 2, min_factor=0.3).factor(2.5) == pytest.approx(0.3)
