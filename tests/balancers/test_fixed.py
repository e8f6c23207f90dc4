import pytest
import torch

from tbpsbench.balancers.fixed import Fixed
from tbpsbench.types import LossOutput


def test_weighted_sum_with_one_where_not_named():
    losses = {"a": LossOutput(torch.tensor(2.0)), "b": LossOutput(torch.tensor(3.0))}
    total, log = Fixed(("a", "b"), {"b": 0.5})(losses)
    assert total.item() == 3.5
    assert log == {}


def test_weight_for_no_loss_is_refused():
    with pytest.raises(ValueError, match="a weight for 'bb'"):
        Fixed(("a", "b"), {"bb": 1.0})


@pytest.mark.parametrize("weight", [float("nan"), float("inf")])
def test_weight_that_is_not_finite_is_refused(weight):
    with pytest.raises(ValueError, match=f"the weight of 'b' must be a finite number, got {weight}"):
        Fixed(("a", "b"), {"b": weight})


def test_zero_weight_stops_the_gradient_of_that_loss_alone():
    x = torch.tensor(1.0, requires_grad=True)
    total, _ = Fixed(("a", "b"), {"a": 0.0})({"a": LossOutput(5 * x), "b": LossOutput(2 * x)})
    total.backward()
    assert x.grad.item() == 2.0
