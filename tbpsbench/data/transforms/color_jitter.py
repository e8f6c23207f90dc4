"""Random brightness, contrast, saturation and hue, as torchvision's ColorJitter."""

from __future__ import annotations

import numpy as np
from torch import Tensor
from torchvision.transforms.v2 import functional

from tbpsbench.data.transforms.base import Transform, check_probability, require_pixel_values
from tbpsbench.registry import TRANSFORMS


@TRANSFORMS.register()
class ColorJitter(Transform):
    """Change the four properties by random factors, in random order.

    Args:
        brightness, contrast, saturation: x draws a factor from [max(0, 1 - x), 1 + x]; >= 0.
        hue: x draws a shift from [-x, x]; 0..0.5.
        p: probability that the image is changed at all; 0..1.

    Place it before Normalize: the factors refer to pixel values.
    """

    def __init__(
        self,
        brightness: float = 0.0,
        contrast: float = 0.0,
        saturation: float = 0.0,
        hue: float = 0.0,
        p: float = 1.0,
    ) -> None:
        if min(brightness, contrast, saturation) < 0 or not 0 <= hue <= 0.5:
            raise ValueError("brightness, contrast and saturation must be at least 0, hue between 0 and 0.5")
        self.p = check_probability(p)
        self.strength = {"brightness": brightness, "contrast": contrast, "saturation": saturation, "hue": hue}

    def __call__(self, image_3HW: Tensor, rng: np.random.Generator) -> Tensor:
        require_pixel_values(image_3HW, "ColorJitter")
        if rng.random() >= self.p:
            return image_3HW
        for name in rng.permutation(list(self.strength)):
            strength = self.strength[str(name)]
            if strength == 0:
                continue
            centre = 0.0 if name == "hue" else 1.0
            low = centre - strength if name == "hue" else max(0.0, centre - strength)
            factor = float(rng.uniform(low, centre + strength))
            image_3HW = getattr(functional, f"adjust_{name}")(image_3HW, factor)
        return image_3HW
