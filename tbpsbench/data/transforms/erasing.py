"""Random erasing (Zhong et al. 2020), with torchvision's way of drawing the rectangle."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from tbpsbench.data.transforms.base import Transform, check_probability, require_level
from tbpsbench.registry import TRANSFORMS

ATTEMPTS = 10


@TRANSFORMS.register()
class RandomErasing(Transform):
    """Overwrite a random rectangle with probability `p`.

    Args:
        mean: per channel; supplied from `data.mean`.
        p: 0..1.
        scale: smallest and largest share of the image's area.
        ratio: smallest and largest height / width of the rectangle, drawn on a log scale.
        value: "mean" writes the numbers of `mean` as they are, "random" standard normal noise, a number itself.
            IRRA erases after Normalize with value="mean", so the rectangle holds the mean's numbers on the
            normalised scale; the mean colour would be 0.
    """

    def __init__(
        self,
        mean: Sequence[float],
        p: float = 0.5,
        scale: tuple[float, float] = (0.02, 0.4),
        ratio: tuple[float, float] = (0.3, 3.3),
        value: str | float = "mean",
    ) -> None:
        if not (0 < scale[0] <= scale[1] <= 1 and 0 < ratio[0] <= ratio[1]):
            raise ValueError(f"scale {scale} must lie in 0..1 and ratio {ratio} be positive, smaller number first")
        if isinstance(value, str) and value not in ("mean", "random"):
            raise ValueError(f"value is {value!r}, expected 'mean', 'random' or a number")
        self.p, self.scale, self.ratio, self.value = check_probability(p), tuple(scale), tuple(ratio), value
        self._mean = torch.tensor(list(mean), dtype=torch.float32).view(3, 1, 1)

    def __call__(self, image_3HW: Tensor, rng: np.random.Generator) -> Tensor:
        if not image_3HW.is_floating_point() and isinstance(self.value, str):
            raise TypeError(f"RandomErasing(value={self.value!r}) must come after Normalize")
        if not isinstance(self.value, str):
            require_level(self.value, image_3HW, "RandomErasing: value")
        if rng.random() >= self.p:
            return image_3HW
        box = self.rectangle(image_3HW.shape[-2], image_3HW.shape[-1], rng)
        if box is not None:
            top, left, height, width = box
            image_3HW[:, top : top + height, left : left + width] = self._fill(height, width, rng)
        return image_3HW

    def rectangle(self, height: int, width: int, rng: np.random.Generator) -> tuple[int, int, int, int] | None:
        """Draw (top, left, height, width); None if ten draws did not fit into the image."""
        low, high = math.log(self.ratio[0]), math.log(self.ratio[1])
        for _ in range(ATTEMPTS):
            area = height * width * rng.uniform(self.scale[0], self.scale[1])
            ratio = math.exp(rng.uniform(low, high))
            h, w = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
            if h < height and w < width:
                return int(rng.integers(0, height - h + 1)), int(rng.integers(0, width - w + 1)), h, w
        return None

    def _fill(self, height: int, width: int, rng: np.random.Generator) -> Tensor | float:
        if self.value == "mean":
            return self._mean
        if self.value == "random":
            return torch.from_numpy(rng.standard_normal((3, height, width), dtype=np.float32))
        return float(self.value)
