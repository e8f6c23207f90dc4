from functools import partial

import numpy as np
import pytest
import torch

from tbpsbench.kernels.hsic import hsic, naive, torch_rbf, width_is_cheaper

FORMS = {"linear": ("width", "rows"), "rbf": ("rows", "tiles")}
CASES = [
    (kernel, form, estimator) for kernel in FORMS for form in FORMS[kernel] for estimator in ("biased", "unbiased")
]


def features(rows=7, width=3, other=5, seed=0, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(rows, width, generator=generator, dtype=dtype)
    y = torch.randn(rows, other, generator=generator, dtype=dtype) + x[:, :1].abs()
    return x.requires_grad_(), y.requires_grad_()


def kernel_matrix(x, kernel, sigma):
    """Entry by entry."""
    rows = len(x)
    matrix = np.zeros((rows, rows))
    for i in range(rows):
        for j in range(rows):
            distance = sum((a - b) ** 2 for a, b in zip(x[i], x[j], strict=True))
            dot = sum(a * b for a, b in zip(x[i], x[j], strict=True))
            matrix[i, j] = dot if kernel == "linear" else np.exp(-distance / (2 * sigma**2))
    return matrix


def textbook(x, y, kernel, sigma, estimator):
    """The definitions: the trace of BDAM, eq. 2; eq. 5 of Song et al. (2012)."""
    rows = len(x)
    k, l = kernel_matrix(x, kernel, sigma), kernel_matrix(y, kernel, sigma)  # noqa: E741
    if estimator == "biased":
        centring = np.eye(rows) - 1 / rows
        return np.trace(k @ centring @ l @ centring) / (rows - 1) ** 2
    np.fill_diagonal(k, 0)
    np.fill_diagonal(l, 0)
    ones = np.ones(rows)
    total = np.trace(k @ l) + (ones @ k @ ones) * (ones @ l @ ones) / ((rows - 1) * (rows - 2))
    return (total - 2 / (rows - 2) * ones @ k @ l @ ones) / (rows * (rows - 3))


@pytest.fixture(autouse=True)
def _small_tiles(monkeypatch):
    monkeypatch.setattr(torch_rbf, "TILE", 20)


@pytest.mark.parametrize(("kernel", "form", "estimator"), CASES)
@pytest.mark.parametrize("rows", [4, 7, 11])
def test_value_equals_the_definition(kernel, form, estimator, rows):
    x, y = features(rows)
    found = hsic(x, y, kernel=kernel, sigma=1.5, estimator=estimator, form=form)
    expected = textbook(x.detach().numpy(), y.detach().numpy(), kernel, 1.5, estimator)
    assert found.item() == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(("kernel", "form", "estimator"), CASES)
def test_gradient_in_float64(kernel, form, estimator):
    function = partial(hsic, kernel=kernel, sigma=1.5, estimator=estimator, form=form)
    assert torch.autograd.gradcheck(function, features())
    x, y = features()
    only_x = torch.autograd.grad(function(x, y.detach()), x)[0]
    torch.testing.assert_close(only_x, torch.autograd.grad(function(x, y), x)[0])


@pytest.mark.parametrize("estimator", ["biased", "unbiased"])
@pytest.mark.parametrize("offset", [0.0, 100.0])
@pytest.mark.parametrize("form", ["width", "rows"])
def test_float32_survives_a_mean_far_from_zero(offset, form, estimator):
    generator = torch.Generator().manual_seed(0)
    x, y = (torch.randn(300, 64, generator=generator) + offset for _ in range(2))
    exact = hsic(x.double(), y.double(), estimator=estimator)
    assert hsic(x, y, estimator=estimator, form=form).item() == pytest.approx(exact.item(), rel=2e-4, abs=1e-4)


def test_half_precision_is_summed_in_float32():
    x, y = features(64, 16, 16, dtype=torch.float32)
    x, y = x.bfloat16(), y.bfloat16()
    found = hsic(x, y)
    assert found.dtype == torch.float32
    assert found.item() == pytest.approx(hsic(x.double(), y.double()).item(), rel=1e-5)


def test_auto_takes_the_form_that_size_asks_for(monkeypatch):
    names = [type(hsic(*features(rows, 16, 16)).grad_fn).__name__ for rows in (4, 64)]
    assert [name.startswith("LinearByWidth") for name in names] == [False, True]
    assert [width_is_cheaper(rows, 512, 512) for rows in (64, 255, 256, 4096)] == [False, False, True, True]
    monkeypatch.setattr(torch_rbf, "PLAIN_ROWS", 5)
    for rows in (5, 6):
        x, y = features(rows)
        found = hsic(x, y, kernel="rbf", sigma=1.0)
        assert type(found.grad_fn).__name__.startswith("RBFByTiles" if rows == 6 else "Mul")


@pytest.mark.parametrize("kernel", FORMS)
@pytest.mark.parametrize("estimator", ["biased", "unbiased"])
def test_naive_form_is_the_definition(kernel, estimator):
    x, y = features(7)
    found = naive.hsic(x, y, kernel=kernel, sigma=1.5, estimator=estimator)
    expected = textbook(x.detach().numpy(), y.detach().numpy(), kernel, 1.5, estimator)
    assert found.item() == pytest.approx(expected, rel=1e-12)
    assert torch.autograd.gradcheck(partial(naive.hsic, kernel=kernel, sigma=1.5, estimator=estimator), (x, y))


def test_unbiased_is_zero_on_average_for_independent_sets():
    generator = torch.Generator().manual_seed(0)
    for kernel in FORMS:
        draws = [
            hsic(*torch.randn(2, 8, 2, generator=generator), kernel=kernel, sigma=1.0, estimator="unbiased").item()
            for _ in range(400)
        ]
        assert abs(np.mean(draws)) < 4 * np.std(draws) / len(draws) ** 0.5
        assert min(draws) < 0


def test_median_heuristic_is_a_constant_for_the_gradient_and_survives_equal_rows():
    x, y = features(9)
    width = torch.pdist(x.detach()).median().item()
    other = torch.pdist(y.detach()).median().item()
    found = hsic(x, y, kernel="rbf")
    expected = np.trace(
        kernel_matrix(x.detach().numpy(), "rbf", width)
        @ (np.eye(9) - 1 / 9)
        @ kernel_matrix(y.detach().numpy(), "rbf", other)
        @ (np.eye(9) - 1 / 9)
    )
    assert found.item() == pytest.approx(expected / 64, rel=1e-12)
    same = torch.ones(9, 3, requires_grad=True)
    value = hsic(same, y.float(), kernel="rbf")
    value.backward()
    assert value.item() == pytest.approx(0, abs=1e-6)
    assert torch.isfinite(same.grad).all()
    assert same.grad.abs().max() < 1e-5


def test_what_cannot_be_computed_is_refused():
    x, y = features(3)
    with pytest.raises(ValueError, match="the unbiased estimator needs at least 4 rows, got 3"):
        hsic(x, y, estimator="unbiased")
    with pytest.raises(ValueError, match="rows in pairs, got 3 and 2"):
        hsic(x, y[:2])
    with pytest.raises(ValueError, match="sigma is 'median' or a number above 0, got -1"):
        hsic(x, y, kernel="rbf", sigma=-1)
    with pytest.raises(ValueError, match="the linear kernel has no form 'tiles'"):
        hsic(x, y, form="tiles")
