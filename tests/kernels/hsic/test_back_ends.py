"""HSIC with the linear kernel on each back end; Triton in its interpreter."""

from functools import partial

import kernel_cases as cases
import pytest
import torch
from hsic_cases import ESTIMATORS, NAMES, pair

from tbpsbench.kernels.hsic import hsic, linear, linear_by_width, naive
from tbpsbench.kernels.hsic import torch as plain


def eager(x, y, estimator="biased"):
    """What one would write by hand, with products in the dtype of the inputs: the yardstick for half precision."""
    x, y = x - x.mean(0), y - y.mean(0)
    if estimator == "biased":
        return (x.T @ y).float().square().sum() / (len(x) - 1) ** 2
    return plain.of_matrices((x @ x.T).float(), (y @ y.T).float(), True, centred=False)


def check(inputs, form="auto", estimator="biased"):
    function = partial(hsic, form=form, estimator=estimator)
    found = cases.value_and_gradients(function, inputs)
    assert [z.dtype for z in found] == [torch.float32, *(z.dtype for z in inputs if z.requires_grad)]
    yardstick = cases.value_and_gradients(partial(eager, estimator=estimator), inputs)
    oracle = cases.value_and_gradients(partial(naive.hsic, estimator=estimator), cases.in_float64(inputs))
    if estimator == "unbiased":
        # A small difference of large sums: judged by their size.
        size = naive.hsic(*cases.in_float64(inputs)).detach() - oracle[0].detach()
        for values in (found, yardstick, oracle):
            values[0] = values[0].double() + size
    names = [name for name, z in zip(NAMES, (None, *inputs), strict=True) if z is None or z.requires_grad]
    cases.assert_close_to_oracle(found, yardstick, oracle, inputs[0].dtype, names)


@pytest.mark.parametrize("estimator", ESTIMATORS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize(("rows", "width", "other"), [(4, 1, 5), (21, 70, 33), (60, 40, 7)])
def test_few_rows(backend, rows, width, other, dtype, estimator):
    check(pair(rows, width, other, dtype), estimator=estimator)


@pytest.mark.parametrize("estimator", ESTIMATORS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_many_rows(backend, dtype, estimator):
    check(pair(140, 130, 33, dtype), form="width", estimator=estimator)


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_product_of_few_rows(backend, estimator):
    check(pair(5, 3, 1), form="width", estimator=estimator)


@pytest.mark.parametrize("form", ["auto", "width"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("layout", ["permuted", "sliced"])
def test_memory_layouts(backend, layout, dtype, form):
    check(pair(37, 19, 24, dtype, layout), form=form)


@pytest.mark.parametrize("form", ["auto", "width"])
@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_features_that_are_all_equal_depend_on_nothing(backend, form, estimator):
    x, y = cases.features(9, 6, layout="expanded"), cases.features(9, 5)
    value, *gradients = cases.value_and_gradients(partial(hsic, form=form, estimator=estimator), [x, y])
    assert abs(value.item()) < 1e-12
    assert all(gradient.abs().max() < 1e-6 for gradient in gradients)


@pytest.mark.parametrize("form", ["auto", "width"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_gradients_of_one_set_alone(triton_backend, form, dtype):
    for constant in (0, 1):
        inputs = pair(33, 17, 12, dtype)
        inputs[constant] = inputs[constant].detach()
        check(inputs, form=form)


@pytest.mark.parametrize(("form", "rows"), [("auto", 60), ("width", 200)])
@pytest.mark.parametrize("offset", [0.0, 100.0])
def test_float32_value_is_exact_wherever_the_mean_lies(backend, form, rows, offset):
    inputs = pair(rows, 40, 24, offset=offset)
    found = hsic(*inputs, form=form)
    rounded = [z.detach().double() - offset for z in inputs]
    exact = naive.hsic(*rounded)
    assert abs(found.item() - exact.item()) <= 1e-6 * exact.item()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_rows_of_two_processes(backend, dtype, estimator):
    # Both hold the same rows: sums over processes are twice their own.
    x, y = pair(70, 9, 14, dtype)
    joint = partial(linear_by_width, unbiased=estimator == "unbiased", reduce=lambda part: 2 * part, processes=2)
    found = cases.value_and_gradients(joint, [x, y])
    twice = lambda form, x, y: form(torch.cat([x, x]), torch.cat([y, y]), estimator=estimator)  # noqa: E731
    yardstick = cases.value_and_gradients(partial(twice, eager), [x, y])
    oracle = cases.value_and_gradients(partial(twice, naive.hsic), cases.in_float64([x, y]))
    cases.assert_close_to_oracle(found, yardstick, oracle, dtype, NAMES)


def test_same_bits_in_every_run(triton_backend):
    for form in ("auto", "width"):
        inputs = pair(50, 20, 30, torch.bfloat16)
        runs = [cases.value_and_gradients(partial(hsic, form=form), inputs) for _ in range(2)]
        assert all(torch.equal(a, b) for a, b in zip(*runs, strict=True))


def test_compiled_without_a_graph_break(backend):
    # On the plain back end the first has no operator.
    for rows, width, other in ((9, 30, 30), (20, 6, 9)):
        cases.assert_no_graph_break(hsic, pair(rows, width, other))


@pytest.mark.parametrize(
    ("form", "unbiased", "dtype"), [("few", False, torch.float32), ("width", True, torch.bfloat16)]
)
def test_operator(backend, form, unbiased, dtype):
    cases.check_op(linear.hsic_linear, (*pair(12, 6, 9, dtype, "permuted"), unbiased, form))


def test_self_check_passes_and_finds_a_wrong_kernel(triton_backend, monkeypatch):
    linear._self_check(torch.device("cpu"), torch.bfloat16)
    from tbpsbench.kernels.hsic import triton_few

    monkeypatch.setattr(triton_few, "scale", lambda rows, unbiased: 1.001 / (rows - 1) ** 2)
    with pytest.raises(linear.KernelError, match="value of the biased form 'few' is off"):
        linear._self_check(torch.device("cpu"), torch.float32)
