"""Turn the image by a random angle, as torchvision's RandomRotation."""

from __future__ import annotations

import numpy as np
from torch import Tensor
from torchvision.transforms.v2 import functional

from tbpsbench.data.transforms.base import Transform
from tbpsbench.registry import TRANSFORMS


@TRANSFORMS.register()
class Rotation(Transform):
    """Turn about the centre; corners that nothing turns into become 0, and each pixel takes its nearest neighbour.

    Args:
        degrees: the angle is drawn from [-degrees, degrees]; 0..180.

    Place it before Normalize, so that 0 is black.
    """

    def __init__(self, degrees: float = 15.0) -> None:
        if not 0 <= degrees <= 180:
            raise ValueError(f"degrees is {degrees}, expected 0..180")
        self.degrees = degrees

    def __call__(self, image_3HW: Tensor, rng: np.random.Generator) -> Tensor:
        return functional.rotate(image_3HW, float(rng.uniform(-self.degrees, self.degrees)))
