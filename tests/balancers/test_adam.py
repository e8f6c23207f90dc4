import pytest
import torch

from tbpsbench.balancers.adam import BufferAdam


def test_equals_torch_adam():
    gradients = torch.randn(20, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    reference = torch.zeros(3, dtype=torch.float64, requires_grad=True)
    theirs = torch.optim.Adam([reference], lr=0.025)
    values, ours = torch.zeros(3, dtype=torch.float64), BufferAdam(3, 0.025).double()
    for gradient in gradients:
        reference.grad = gradient.clone()
        theirs.step()
        ours.step(values, gradient)
        torch.testing.assert_close(values, reference.detach())


@pytest.mark.parametrize("lr", [0, float("nan"), float("inf")])
def test_rate_must_be_positive(lr):
    with pytest.raises(ValueError, match=f"lr must be positive.*, got {lr}"):
        BufferAdam(3, lr)
