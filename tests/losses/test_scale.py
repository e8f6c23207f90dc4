import math

import pytest
import torch

from tbpsbench.losses.scale import Scale


def test_fixed_scale_is_exact_in_any_precision_and_not_saved():
    scale = Scale(0.02)
    assert scale(torch.ones(1, dtype=torch.float64)).item() == 50.0
    assert scale(torch.ones(1)).dtype == torch.float32
    assert not list(scale.parameters())
    assert not scale.state_dict()


def test_learnt_scale_starts_where_told_and_is_clamped_at_100():
    scale = Scale(0.07, learnable=True)
    value = scale(torch.ones(1))
    value.backward()
    assert value.item() == pytest.approx(1 / 0.07)
    assert scale.log.grad.item() == pytest.approx(1 / 0.07)
    assert Scale(0.001, learnable=True)(torch.ones(1)).item() == pytest.approx(100.0)


@pytest.mark.parametrize("temperature", [0.0, -1.0, math.nan, math.inf])
def test_temperature_must_be_positive(temperature):
    with pytest.raises(ValueError, match="temperature must be positive"):
        Scale(temperature)
