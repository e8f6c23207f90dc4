"""Take the colours away, as torchvision's RandomGrayscale."""

from __future__ import annotations

import numpy as np
from torch import Tensor
from torchvision.transforms.v2 import functional

from tbpsbench.data.transforms.base import Transform, check_probability, require_pixel_values
from tbpsbench.registry import TRANSFORMS


@TRANSFORMS.register()
class Grayscale(Transform):
    """Replace all channels by the luminance with probability `p`.

    Args:
        p: 0..1.

    Place it before Normalize: the luminance refers to pixel values.
    """

    def __init__(self, p: float = 0.1) -> None:
        self.p = check_probability(p)

    def __call__(self, image_3HW: Tensor, rng: np.random.Generator) -> Tensor:
        require_pixel_values(image_3HW, "Grayscale")
        return functional.rgb_to_grayscale(image_3HW, num_output_channels=3) if rng.random() < self.p else image_3HW
