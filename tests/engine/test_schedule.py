import pytest

from tbpsbench.config.schema import ScheduleSection
from tbpsbench.engine.schedule import factor


def test_irra_rates_of_the_field_notes():
    schedule = ScheduleSection(max_epochs=60, warmup_epochs=5, warmup_factor=0.1)
    rates = {0: 1e-6, 1: 2.8e-6, 4: 8.2e-6, 5: 1e-5, 6: 9.992e-6, 10: 9.797e-6, 30: 5.712e-6, 50: 7.937e-7, 59: 8.15e-9}
    for epoch, rate in rates.items():
        assert 1e-5 * factor(schedule, epoch) == pytest.approx(rate, rel=1e-3)


def test_constant_and_multistep():
    assert factor(ScheduleSection(9, type="constant"), 7) == 1.0
    steps = ScheduleSection(9, type="multistep", milestones=(3, 6), gamma=0.5)
    assert [factor(steps, e) for e in (0, 2.9, 3, 6, 8)] == [1, 1, 0.5, 0.25, 0.25]


def test_cosine_ends_at_its_floor():
    assert factor(ScheduleSection(10, min_factor=0.2), 10) == pytest.approx(0.2)
    assert factor(ScheduleSection(10, min_factor=0.2), 0) == pytest.approx(1.0)
