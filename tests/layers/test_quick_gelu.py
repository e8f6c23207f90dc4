import pytest
import torch
from open_clip.transformer import QuickGELU as Written

from tbpsbench.layers.quick_gelu import QuickGELU


@pytest.mark.parametrize(
    ("dtype", "tolerance"), [(torch.float32, 1e-6), (torch.float64, 1e-12), (torch.bfloat16, 2e-2)]
)
def test_value_and_gradient_equal_the_formula(dtype, tolerance):
    x = torch.linspace(-40, 40, 1001, dtype=torch.float64).to(dtype)
    one, other = x.clone().requires_grad_(), x.clone().requires_grad_()
    mine, theirs = QuickGELU()(one), Written()(other)
    mine.backward(x)
    theirs.backward(x)
    assert torch.equal(mine, theirs)
    torch.testing.assert_close(one.grad, other.grad, rtol=tolerance, atol=tolerance)
    assert mine.dtype == one.grad.dtype == dtype


def test_gradient_in_float64():
    x = torch.randn(7, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(QuickGELU(), x)


def test_same_without_gradients():
    x = torch.randn(9)
    assert torch.equal(QuickGELU()(x), QuickGELU()(x.clone().requires_grad_()))


def test_works_on_activations_that_are_no_leaves_and_not_contiguous():
    x = torch.randn(3, 4, requires_grad=True)
    y = torch.randn(3, 4)
    QuickGELU()((2 * x).T).backward(y.T)
    (expected,) = torch.autograd.grad(Written()(2 * x), x, y)
    torch.testing.assert_close(x.grad, expected, rtol=1e-6, atol=1e-6)


def test_a_gradient_penalty_is_refused_and_not_half_computed():
    x = torch.randn(9, requires_grad=True)
    (gradient,) = torch.autograd.grad(QuickGELU()(x.tanh()).sum(), x, create_graph=True)
    with pytest.raises(RuntimeError, match="first derivatives alone"):
        gradient.square().sum().backward()


def test_compiled_without_a_graph_break():
    x = torch.randn(9, requires_grad=True)
    compiled = torch.compile(QuickGELU(), fullgraph=True, backend="aot_eager")
    one, other = (torch.autograd.grad(call(x).square().sum(), x)[0] for call in (compiled, QuickGELU()))
    assert torch.equal(one, other)
