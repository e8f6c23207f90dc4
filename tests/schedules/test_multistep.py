import pytest

from tbpsbench.schedules.multistep import Multistep


def test_steps_at_each_milestone_in_any_order():
    schedule = Multistep(milestones=(6, 3), gamma=0.5)
    assert [schedule.factor(e) for e in (0, 2.99, 3, 5.5, 6, 60)] == [1, 1, 0.5, 0.5, 0.25, 0.25]


def test_without_milestones_nothing_changes():
    assert Multistep().factor(99) == pytest.approx(1.0)
