"""Blur by a Gaussian of random width, as SimCLR does (Chen et al. 2020)."""

from __future__ import annotations

import math

import numpy as np
from torch import Tensor
from torchvision.transforms.v2 import functional

from tbpsbench.data.transforms.base import Transform, check_probability
from tbpsbench.registry import TRANSFORMS

WIDTHS = 3  # the kernel ends three standard deviations from its centre


@TRANSFORMS.register()
class GaussianBlur(Transform):
    """Blur the image with probability `p`.

    Args:
        sigma: smallest and largest standard deviation in pixels, drawn evenly; > 0.
        p: 0..1.

    Raises:
        ValueError: if `sigma` is not positive, smaller number first, or `p` is no probability.
    """

    def __init__(self, sigma: tuple[float, float] = (0.1, 2.0), p: float = 0.5) -> None:
        if not 0 < sigma[0] <= sigma[1]:
            raise ValueError(f"sigma {sigma} must be positive, smaller number first")
        self.sigma, self.p = (float(sigma[0]), float(sigma[1])), check_probability(p)

    def __call__(self, image_3HW: Tensor, rng: np.random.Generator) -> Tensor:
        if rng.random() >= self.p:
            return image_3HW
        sigma = float(rng.uniform(*self.sigma))
        # torchvision pads by reflection, which needs more pixels than the kernel reaches.
        reach = min(math.ceil(WIDTHS * sigma), image_3HW.shape[-2] - 1, image_3HW.shape[-1] - 1)
        return functional.gaussian_blur(image_3HW, [2 * reach + 1] * 2, [sigma, sigma])
