"""HSIC with the RBF kernel on each back end; Triton in its interpreter."""

from functools import partial

import kernel_cases as cases
import pytest
import torch
from hsic_cases import ESTIMATORS, NAMES, pair

from tbpsbench.kernels.hsic import hsic, naive, rbf, torch_rbf


def eager(x, y, sigma, estimator):
    """What one would write by hand, with products in the dtype of the inputs: the yardstick for half precision."""
    x, y = x - x.mean(0), y - y.mean(0)
    matrices = []
    for z in (x, y):
        square = z.square().sum(1)
        distance = (square[:, None] + square - 2 * z @ z.T).float().clamp(min=0)
        matrices.append((-distance.fill_diagonal_(0) / (2 * sigma**2)).exp())
    return torch_rbf.of_matrices(*matrices, estimator == "unbiased", centred=False)


def check(inputs, estimator, form="auto", sigma=5.0):
    arguments = {"sigma": sigma, "estimator": estimator}
    found = cases.value_and_gradients(partial(hsic, kernel="rbf", form=form, **arguments), inputs)
    yardstick = cases.value_and_gradients(partial(eager, **arguments), inputs)
    oracle = cases.value_and_gradients(partial(naive.hsic, kernel="rbf", **arguments), cases.in_float64(inputs))
    assert [z.dtype for z in found] == [torch.float32, *(z.dtype for z in inputs)]
    cases.assert_close_to_oracle(found, yardstick, oracle, inputs[0].dtype, NAMES)


@pytest.mark.parametrize("estimator", ESTIMATORS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_tiles(backend, dtype, estimator, monkeypatch):
    monkeypatch.setattr(torch_rbf, "TILE", 1000)
    check(pair(75, 70, 12, dtype), estimator, form="tiles")


@pytest.mark.parametrize("estimator", ESTIMATORS)
@pytest.mark.parametrize("rows", [4, 9])
def test_few_rows(backend, rows, estimator):
    check(pair(rows, 3, 1), estimator)


@pytest.mark.parametrize("layout", ["permuted", "sliced"])
def test_memory_layouts(backend, layout):
    check(pair(21, 19, 24, layout=layout), "biased")


def test_gradient_is_made_a_few_rows_at_a_time(triton_backend, monkeypatch):
    inputs = pair(150, 5, 7)
    run = partial(hsic, kernel="rbf", sigma=3.0)
    whole = cases.value_and_gradients(run, inputs)
    from tbpsbench.kernels.hsic import triton_rbf_launch

    monkeypatch.setattr(triton_rbf_launch, "STRIP", 1)
    parts = cases.value_and_gradients(run, inputs)
    for a, b in zip(whole, parts, strict=True):
        torch.testing.assert_close(a, b)


def test_equal_rows_have_a_width_and_no_gradient(backend):
    x, y = cases.features(9, 6, layout="expanded"), cases.features(9, 5)
    value, *gradients = cases.value_and_gradients(partial(hsic, kernel="rbf"), [x, y])
    assert abs(value.item()) < 1e-6
    assert all(gradient.abs().max() < 1e-5 for gradient in gradients)


def test_narrow_kernels_see_no_neighbours(backend):
    # exp(-d^2 / 2 sigma^2) underflows for all but equal rows.
    value, *gradients = cases.value_and_gradients(partial(hsic, kernel="rbf", sigma=1e-3), pair(9, 6, 5))
    assert value.item() == pytest.approx((9 - 1) / (9 - 1) ** 2, rel=1e-6)
    assert all(gradient.abs().max() == 0 for gradient in gradients)


def test_compiled_without_a_graph_break(backend, monkeypatch):
    monkeypatch.setattr(torch_rbf, "PLAIN_ROWS", 10)
    cases.assert_no_graph_break(partial(hsic, kernel="rbf", sigma=2.5), pair(20, 6, 9))


def test_operator(backend):
    inputs = pair(12, 6, 9, layout="permuted")
    cases.check_op(rbf.hsic_rbf, (*inputs, torch.tensor([0.05, 0.1]), True))


def test_self_check_passes_and_finds_a_wrong_kernel(triton_backend, monkeypatch):
    rbf._self_check(torch.device("cpu"), torch.float32)
    from tbpsbench.kernels.hsic import triton_rbf_launch

    monkeypatch.setattr(triton_rbf_launch, "scale", lambda rows, unbiased: 1.001 / (rows - 1) ** 2)
    with pytest.raises(rbf.KernelError, match="value of the biased estimator is off"):
        rbf._self_check(torch.device("cpu"), torch.float32)
