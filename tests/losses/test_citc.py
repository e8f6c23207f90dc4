import numpy as np
import pytest
import torch
from loss_pairs import pairs, waves

from tbpsbench.losses.citc import CITC


@pytest.mark.parametrize("count", [1, 2, 5])
def test_value_equals_the_definition(count):
    image, text = np.random.default_rng(0).normal(size=(2, count, 6))
    out = CITC(within=0.25, across=0.5)(*pairs(image, text, range(count)))
    image, text = (x / np.linalg.norm(x, axis=1, keepdims=True) for x in (image, text))
    expected = np.zeros(count)
    for i in range(count):
        for j in range(count):
            within, across = image[i] @ image[j] - text[i] @ text[j], image[i] @ text[j] - image[j] @ text[i]
            expected[i] += (0.25 * within**2 + 0.5 * across**2) / count
    np.testing.assert_allclose(out.per_sample.numpy(), expected, rtol=1e-9, atol=1e-12)
    assert out.value.item() == pytest.approx(expected.mean(), rel=1e-9, abs=1e-12)


def test_golden_losses_citc_of_sines_and_cosines():
    assert CITC()(*waves()).value.item() == pytest.approx(0.172171, abs=1e-6)


@pytest.mark.parametrize("pid", [[0, 0, 0, 0], [0, 1, 2, 3]])
def test_identities_do_not_matter(pid):
    image, text = np.random.default_rng(0).normal(size=(2, 4, 6))
    torch.testing.assert_close(CITC()(*pairs(image, text, pid)).value, CITC()(*pairs(image, text, [0, 0, 1, 2])).value)


def test_equal_sides_cost_nothing():
    image = torch.randn(4, 6)
    assert CITC()(*pairs(image, image, range(4))).value.item() == pytest.approx(0, abs=1e-12)


def test_gradient_in_float64():
    image, text = torch.randn(2, 4, 3, dtype=torch.float64, requires_grad=True).unbind()
    assert torch.autograd.gradcheck(lambda i, t: CITC()(*pairs(i, t, range(4))).value, (image, text))


@pytest.mark.parametrize("wrong", [{"within": -1}, {"across": float("nan")}])
def test_weights_are_refused_that_are_negative_or_not_finite(wrong):
    with pytest.raises(ValueError, match=f"{next(iter(wrong))} must be 0 or more"):
        CITC(**wrong)
