"""Apply transforms in the order of the config, and see that what comes out is fit for a model."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from tbpsbench.data.transforms.base import Transform
from tbpsbench.errors import ConfigError


class Compose:
    """A list of transforms as one.

    Args:
        transforms: in the order they are applied; one of them turns uint8 into float32 (Normalize).
        size: height and width that must come out.
    """

    def __init__(self, transforms: Sequence[Transform], size: tuple[int, int]) -> None:
        self.transforms, self.size = tuple(transforms), (size[0], size[1])

    def __call__(self, image_3HW: Tensor, rng: np.random.Generator) -> Tensor:
        """Transform one image.

        Raises:
            ConfigError: if the result is not float32 of the right size, or a transform stands in the wrong place.
        """
        for transform in self.transforms:
            try:
                image_3HW = transform(image_3HW, rng)
            except TypeError as error:
                raise ConfigError(f"data.transforms: {error}. {self._order()}") from error
        if image_3HW.dtype != torch.float32 or image_3HW.shape != (3, *self.size):
            raise ConfigError(
                f"data.transforms: the result is {image_3HW.dtype} of shape {tuple(image_3HW.shape)}, expected "
                f"torch.float32 of shape {(3, *self.size)}. {self._order()}"
            )
        return image_3HW

    def fixed(self) -> Compose:
        """The same without what is random: for evaluation."""
        return Compose([transform for transform in self.transforms if not transform.random], self.size)

    def _order(self) -> str:
        return "The order is: " + (", ".join(type(t).__name__ for t in self.transforms) or "(none)")
