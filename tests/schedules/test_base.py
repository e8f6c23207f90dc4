import math

import numpy as np
import pytest

from tbpsbench.config.open_sections import OpenSection
from tbpsbench.engine.schedule import LearningRates
from tbpsbench.errors import ConfigError
from tbpsbench.registry import SCHEDULES
from tbpsbench.schedules.base import Schedule, usable


@pytest.mark.parametrize("value", [0, 1, 0.5, 3.0, np.float32(0.5), np.float64(0)])
def test_numbers_that_a_rate_can_be_multiplied_with(value):
    assert usable(value)


@pytest.mark.parametrize("value", [-1e-9, math.inf, math.nan, -0.5 + 1j, "1", None, [1.0], np.array([1.0])])
def test_everything_else_is_none(value):
    assert not usable(value)


def test_schedule_that_goes_below_zero_in_the_middle_of_a_run_stops_it_with_its_name():
    @SCHEDULES.register("Dip")
    class Dip(Schedule):
        def factor(self, epoch):
            return -1.0 if epoch == 5 else 1.0

    try:
        rates = LearningRates(OpenSection(type="Dip", max_epochs=9, warmup_epochs=1.0, warmup_factor=0.5, per="epoch"))
        assert [rates.factor(epoch) for epoch in (0, 0.5, 1, 4)] == [0.5, 0.75, 1, 1]
        with pytest.raises(ConfigError, match=r"schedule: Dip gives the factor -1\.0 at epoch 5"):
            rates.factor(5)
    finally:
        SCHEDULES.remove("Dip")
