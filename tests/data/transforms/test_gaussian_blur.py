"""Blur against SciPy's Gaussian filter; its share and its limits."""

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from tbpsbench.data.transforms.gaussian_blur import GaussianBlur


@pytest.mark.parametrize("sigma", [0.4, 1.3, 2.0])
def test_equals_a_gaussian_filter(sigma):
    image = torch.rand(3, 32, 20, generator=torch.Generator().manual_seed(0))
    blurred = GaussianBlur((sigma, sigma), p=1.0)(image, np.random.default_rng(0))
    reach = int(np.ceil(3 * sigma))
    expected = [gaussian_filter(plane, sigma, mode="mirror", radius=reach) for plane in image.numpy()]
    torch.testing.assert_close(blurred, torch.from_numpy(np.stack(expected)), rtol=1e-4, atol=1e-5)


def test_blurs_the_share_of_images():
    image, rng = torch.rand(3, 6, 4, generator=torch.Generator().manual_seed(0)), np.random.default_rng(0)
    blurred = [not torch.equal(GaussianBlur(p=0.3)(image, rng), image) for _ in range(1000)]
    assert abs(np.mean(blurred) - 0.3) < 0.05


def test_an_image_smaller_than_the_kernel_is_blurred_all_the_same():
    image = torch.zeros(3, 4, 3, dtype=torch.uint8)
    image[:, 1, 1] = 200
    blurred = GaussianBlur((2.0, 2.0), p=1.0)(image, np.random.default_rng(0))
    assert (blurred.shape, blurred.dtype) == (image.shape, torch.uint8)
    assert 0 < blurred[0, 1, 1] < 200


@pytest.mark.parametrize("options", [{"sigma": (0.0, 1.0)}, {"sigma": (2.0, 1.0)}, {"p": 2.0}])
def test_bad_arguments_are_refused(options):
    with pytest.raises(ValueError, match=r"must be positive|between 0 and 1"):
        GaussianBlur(**options)
