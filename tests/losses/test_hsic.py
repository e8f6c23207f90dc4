import pytest
import torch

from tbpsbench import testing
from tbpsbench.kernels.hsic import hsic
from tbpsbench.losses.hsic import HSIC
from tbpsbench.types import Features

CONFIGS = [
    {"kernel": kernel, "estimator": estimator, "normalize": normalize}
    for kernel in ("linear", "rbf")
    for estimator in ("biased", "unbiased")
    for normalize in (False, True)
]


def make(rows, width=3, dtype=torch.float64):
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(rows, width, dtype=dtype, generator=generator)
    y = torch.randn(rows, 4, dtype=dtype, generator=generator) + x[:, :1]
    features = Features({"identity": x.requires_grad_(), "clothing": y.requires_grad_()})
    return x, y, features, testing.toy_batch(range(rows))


@pytest.mark.parametrize("config", CONFIGS)
@pytest.mark.parametrize("width", [3, 40])
def test_value_and_gradient(config, width):
    x, y, features, batch = make(6, width)
    found = HSIC(**config)(features, batch)
    assert found.per_sample is None
    normalize = config["normalize"]
    arguments = {key: value for key, value in config.items() if key != "normalize"}
    expected = hsic(x, y, **arguments, form="rows")
    if normalize:
        expected = expected / (hsic(x, x, **arguments, form="rows") * hsic(y, y, **arguments, form="rows")).sqrt()
    torch.testing.assert_close(found.value, expected)
    if config["kernel"] == "rbf":
        config = {**config, "sigma": 1.5}  # the median is a constant for us, not for a numerical gradient
    loss = HSIC(**config)
    assert torch.autograd.gradcheck(
        lambda x, y: loss(Features({"identity": x, "clothing": y}), batch).value, (x, y), atol=1e-6
    )


@pytest.mark.parametrize("config", CONFIGS)
@pytest.mark.parametrize("rows", [1, 2, 3])
def test_batch_too_small_for_the_estimator_costs_nothing(rows, config):
    x, _, features, batch = make(rows)
    out = HSIC(**config)(features, batch).value
    out.backward()
    assert torch.isfinite(out)
    assert torch.isfinite(x.grad).all()
    if rows < (4 if config["estimator"] == "unbiased" else 2):
        assert out.item() == 0
        assert not x.grad.any()


@pytest.mark.parametrize("config", [c for c in CONFIGS if c["normalize"]])
def test_normalised_value_knows_no_scale_and_no_offset(config):
    x, y, _, batch = make(40)
    loss = HSIC(**config)
    one = loss(Features({"identity": x, "clothing": y}), batch).value
    other = loss(Features({"identity": 1e-3 * x.detach() + 5, "clothing": 1e3 * y.detach()}), batch).value
    torch.testing.assert_close(one, other)
    same = loss(Features({"identity": x, "clothing": x}), batch).value
    torch.testing.assert_close(same, torch.ones_like(same))


@pytest.mark.parametrize("config", [c for c in CONFIGS if c["normalize"]])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_feature_that_is_the_same_in_all_rows_depends_on_nothing(config, dtype):
    _, y, _, batch = make(6, dtype=dtype)
    x = torch.full((6, 3), 0.1234567, dtype=dtype).requires_grad_()
    out = HSIC(**config)(Features({"identity": x, "clothing": y}), batch).value
    out.backward()
    assert abs(out.item()) < 0.1
    assert torch.isfinite(x.grad).all()
    assert torch.isfinite(y.grad).all()


def test_half_precision_features_are_summed_in_float32():
    x, y, features, batch = make(8, dtype=torch.bfloat16)
    torch.testing.assert_close(HSIC()(features, batch).value, hsic(x.float(), y.float()))


def test_sigma_that_cannot_be_meant_is_refused():
    with pytest.raises(ValueError, match=r"and the RBF kernel's; got 2\.0 for linear"):
        HSIC(sigma=2.0)
    for sigma in (0, float("nan"), float("inf")):
        with pytest.raises(ValueError, match=f"finite number above 0, .* got {sigma} for rbf"):
            HSIC(kernel="rbf", sigma=sigma)
