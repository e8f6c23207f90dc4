import pytest
import torch

from tbpsbench.balancers.projection import scale_into


@pytest.mark.parametrize("size", [1, 2, 5])
@pytest.mark.parametrize("bounds", [(1e-4, 10.0), (0.5, 1.5), (1.0, 1.0), (1e-4, 1.0)])
def test_sum_and_bounds_hold_together(size, bounds):
    generator = torch.Generator().manual_seed(0)
    for spread in (0.1, 1.0, 5.0, 30.0):
        found = scale_into((spread * torch.randn(size, generator=generator)).exp(), *bounds)
        assert found.sum().item() == pytest.approx(size, rel=1e-9)
        assert found.min() >= bounds[0] * (1 - 1e-12)
        assert found.max() <= bounds[1] * (1 + 1e-12)


def test_weights_within_the_bounds_keep_their_ratios():
    weight = torch.tensor([0.02, 4.0, 6.0])
    torch.testing.assert_close(scale_into(weight, 1e-4, 10.0), weight.double() * 3 / weight.double().sum())
    found = scale_into(torch.tensor([1e-9, 4.0, 6.0]), 0.1, 10.0)
    torch.testing.assert_close(found, torch.tensor([0.1, 2.9 * 0.4, 2.9 * 0.6], dtype=torch.float64))


def test_what_holds_already_stays():
    weight = torch.tensor([0.5, 1.5, 1.0], dtype=torch.float64)
    torch.testing.assert_close(scale_into(weight, 1e-4, 10.0), weight, rtol=0, atol=1e-15)
