"""Cut out a random part and resize it, as torchvision's RandomResizedCrop (used to train ViTs)."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
from torch import Tensor
from torchvision.transforms import InterpolationMode
from torchvision.transforms.v2 import functional

from tbpsbench.data.transforms.base import Transform
from tbpsbench.registry import TRANSFORMS

ATTEMPTS = 10


@TRANSFORMS.register()
class RandomResizedCrop(Transform):
    """A random rectangle of the image, resized to `size`.

    It cuts from the image that has already been resized to `data.size`, not from the file.

    Args:
        size: height and width of the result; supplied from `data.size`.
        scale: smallest and largest share of the image's area.
        ratio: smallest and largest width / height of the rectangle, drawn on a log scale.
        interpolation: "bilinear" or "bicubic", with antialiasing.
    """

    def __init__(
        self,
        size: tuple[int, int],
        scale: tuple[float, float] = (0.08, 1.0),
        ratio: tuple[float, float] = (3 / 4, 4 / 3),
        interpolation: Literal["bilinear", "bicubic"] = "bilinear",
    ) -> None:
        if not (0 < scale[0] <= scale[1] <= 1 and 0 < ratio[0] <= ratio[1]):
            raise ValueError(f"scale {scale} must lie in 0..1 and ratio {ratio} be positive, smaller number first")
        self.size, self.scale, self.ratio = tuple(size), tuple(scale), tuple(ratio)
        self._interpolation = InterpolationMode(interpolation)

    def __call__(self, image_3HW: Tensor, rng: np.random.Generator) -> Tensor:
        top, left, height, width = self.rectangle(image_3HW.shape[-2], image_3HW.shape[-1], rng)
        return functional.resized_crop(
            image_3HW, top, left, height, width, list(self.size), self._interpolation, antialias=True
        )

    def rectangle(self, height: int, width: int, rng: np.random.Generator) -> tuple[int, int, int, int]:
        """Draw (top, left, height, width); the centre of the image if ten draws did not fit."""
        low, high = math.log(self.ratio[0]), math.log(self.ratio[1])
        for _ in range(ATTEMPTS):
            area = height * width * rng.uniform(self.scale[0], self.scale[1])
            ratio = math.exp(rng.uniform(low, high))
            w, h = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
            if 0 < w <= width and 0 < h <= height:
                return int(rng.integers(0, height - h + 1)), int(rng.integers(0, width - w + 1)), h, w
        ratio = min(max(width / height, self.ratio[0]), self.ratio[1])
        w, h = min(width, round(height * ratio)), min(height, round(width / ratio))
        return (height - h) // 2, (width - w) // 2, h, w
