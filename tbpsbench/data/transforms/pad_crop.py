"""Pad all sides, then cut out the original size at a random place (IRRA: 10 pixels of zeros)."""

from __future__ import annotations

import numpy as np
from torch import Tensor

from tbpsbench.data.transforms.base import Transform, require_level
from tbpsbench.registry import TRANSFORMS


@TRANSFORMS.register()
class PadCrop(Transform):
    """Shift the image by up to `padding` pixels in both directions; what comes in from outside is `fill`.

    The same as torchvision's Pad followed by RandomCrop to the size before, without making the padded image.

    Args:
        padding: pixels added on each side; >= 0.
        fill: value of the added pixels, on the image's own scale (0..255 before Normalize).
    """

    def __init__(self, padding: int = 10, fill: float = 0) -> None:
        if padding < 0:
            raise ValueError(f"padding is {padding}, expected at least 0")
        self.padding, self.fill = padding, fill

    def __call__(self, image_3HW: Tensor, rng: np.random.Generator) -> Tensor:
        require_level(self.fill, image_3HW, "PadCrop: fill")
        top, left = (int(value) for value in rng.integers(0, 2 * self.padding + 1, size=2))
        return shift(image_3HW, top - self.padding, left - self.padding, self.fill)


def shift(image_3HW: Tensor, down: int, right: int, fill: float) -> Tensor:
    """The window of the same size that starts at (down, right), which may be negative; `fill` outside the image."""
    height, width = image_3HW.shape[-2:]
    out = image_3HW.new_full(image_3HW.shape, fill)
    rows, columns = _overlap(down, height), _overlap(right, width)
    out[:, slice(*rows[0]), slice(*columns[0])] = image_3HW[:, slice(*rows[1]), slice(*columns[1])]
    return out


def _overlap(offset: int, length: int) -> tuple[tuple[int, int], tuple[int, int]]:
    """Ranges in the result and in the source along one axis."""
    kept = max(length - abs(offset), 0)
    into, source = max(-offset, 0), max(offset, 0)
    return (into, into + kept), (source, source + kept)
