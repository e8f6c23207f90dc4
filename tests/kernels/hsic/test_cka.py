"""CKA against its definition, and what it does not depend on."""

from functools import partial

import kernel_cases as cases
import numpy as np
import pytest
import torch
from hsic_cases import ESTIMATORS, NAMES, pair

from tbpsbench.kernels.hsic import cka, naive

KERNELS = ("linear", "rbf")


def by_hand(x, y):
    """Linear CKA from cross-covariances (Kornblith et al. 2019, section 3)."""
    x, y = (z.detach().double().numpy() for z in (x, y))
    x, y = x - x.mean(0), y - y.mean(0)
    return np.linalg.norm(x.T @ y) ** 2 / (np.linalg.norm(x.T @ x) * np.linalg.norm(y.T @ y))


@pytest.mark.parametrize("estimator", ESTIMATORS)
@pytest.mark.parametrize("kernel", KERNELS)
def test_value_and_gradients_equal_the_definition(backend, kernel, estimator):
    inputs, arguments = pair(21, 12, 7), {"kernel": kernel, "sigma": 4.0, "estimator": estimator}
    found = cases.value_and_gradients(partial(cka, **arguments), inputs)
    definition = partial(naive.cka, **arguments)
    # The definition centres kernel matrices, of which float32 keeps fewer digits than of centred features.
    oracle = cases.value_and_gradients(definition, cases.in_float64(inputs))
    plain = cases.value_and_gradients(definition, inputs)
    assert [z.dtype for z in found] == [torch.float32] * 3
    cases.assert_close_to_oracle(found, plain, oracle, torch.float32, NAMES)
    if (kernel, estimator) == ("linear", "biased"):
        assert found[0].item() == pytest.approx(by_hand(*inputs), rel=1e-5)


@pytest.mark.parametrize("estimator", ESTIMATORS)
@pytest.mark.parametrize("kernel", KERNELS)
def test_gradient_in_float64(kernel, estimator):
    function = partial(cka, kernel=kernel, sigma=2.0, estimator=estimator)
    assert torch.autograd.gradcheck(function, pair(9, 3, 4, torch.float64))


@pytest.mark.parametrize("kernel", KERNELS)
def test_lies_between_0_and_1_and_is_1_for_a_turned_moved_and_scaled_set(kernel):
    x, y = (z.detach() for z in pair(40, 6, 5, torch.float64))
    turn, _ = torch.linalg.qr(torch.randn(6, 6, generator=torch.Generator().manual_seed(2), dtype=torch.float64))
    assert 0 < cka(x, y, kernel=kernel) < 1
    assert cka(x, 7 * x @ turn + 3, kernel=kernel).item() == pytest.approx(1, abs=1e-12)
    assert cka(7 * x - 2, y, kernel=kernel).item() == pytest.approx(cka(y, x, kernel=kernel).item(), abs=1e-12)


def test_sets_without_a_common_direction_have_none():
    x = torch.tensor([[1.0, 0], [-1, 0], [0, 0], [0, 0]])
    y = torch.tensor([[0.0], [0], [1], [-1]])
    assert cka(x, y).item() == pytest.approx(0, abs=1e-6)


def test_large_and_small_features_leave_float32_nowhere():
    x, y = (z.detach() for z in pair(40, 6, 5))
    for size in (1e8, 1e-7):
        assert cka(size * x, size * y).item() == pytest.approx(cka(x, y).item(), rel=1e-5)


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("still", [0, 1])
def test_a_set_of_equal_rows_depends_on_nothing(kernel, still):
    inputs = pair(9, 6, 5)
    inputs[still] = (0.1 + torch.zeros_like(inputs[still])).requires_grad_()
    value, *gradients = cases.value_and_gradients(partial(cka, kernel=kernel), inputs)
    assert value.item() == 0
    assert all(torch.equal(gradient, torch.zeros_like(gradient)) for gradient in gradients)


def test_half_precision_gives_float32():
    inputs = pair(40, 6, 5, torch.bfloat16)
    found = cka(*inputs)
    assert found.dtype == torch.float32
    assert found.item() == pytest.approx(by_hand(*(z.float() for z in inputs)), rel=1e-5)


def test_compiled_without_a_graph_break():
    cases.assert_no_graph_break(cka, pair(20, 6, 9))


def test_what_cannot_be_computed_is_refused():
    with pytest.raises(ValueError, match="the unbiased estimator needs at least 4 rows, got 3"):
        cka(*pair(3, 2, 2), estimator="unbiased")
