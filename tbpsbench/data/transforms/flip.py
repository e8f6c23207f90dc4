"""Mirror left and right, as torchvision's RandomHorizontalFlip."""

from __future__ import annotations

import numpy as np
from torch import Tensor

from tbpsbench.data.transforms.base import Transform, check_probability
from tbpsbench.registry import TRANSFORMS


@TRANSFORMS.register()
class HorizontalFlip(Transform):
    """Mirror the image with probability `p`.

    Args:
        p: 0..1.
    """

    def __init__(self, p: float = 0.5) -> None:
        self.p = check_probability(p)

    def __call__(self, image_3HW: Tensor, rng: np.random.Generator) -> Tensor:
        return image_3HW.flip(-1) if rng.random() < self.p else image_3HW
