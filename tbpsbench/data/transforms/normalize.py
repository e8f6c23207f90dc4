"""Pixels 0..255 to float32 with given mean and standard deviation per channel."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from tbpsbench.data.transforms.base import Transform
from tbpsbench.registry import TRANSFORMS


@TRANSFORMS.register()
class Normalize(Transform):
    """(pixel / 255 - mean) / std.

    Args:
        mean, std: per channel, for pixels on the scale 0..1; supplied from `data.mean` and `data.std`.

    Raises:
        ValueError: if a standard deviation is not positive.
    """

    random: ClassVar[bool] = False

    def __init__(self, mean: Sequence[float], std: Sequence[float]) -> None:
        if len(mean) != 3 or len(std) != 3 or min(std) <= 0:
            raise ValueError(f"mean {mean} and std {std}: expected three numbers each, std positive")
        self.mean, self.std = tuple(mean), tuple(std)
        # One multiplication and one addition per pixel: x / (255 std) - mean / std.
        self._scale = (1 / (255 * torch.tensor(std, dtype=torch.float64))).float().view(3, 1, 1)
        self._shift = (-torch.tensor(mean, dtype=torch.float64) / torch.tensor(std, dtype=torch.float64)).float()
        self._shift = self._shift.view(3, 1, 1)

    def __call__(self, image_3HW: Tensor, rng: np.random.Generator | None = None) -> Tensor:  # noqa: ARG002
        if image_3HW.dtype != torch.uint8:
            raise TypeError(f"Normalize got {image_3HW.dtype}, expected uint8: use it once, on pixel values")
        return image_3HW.float().mul_(self._scale).add_(self._shift)
