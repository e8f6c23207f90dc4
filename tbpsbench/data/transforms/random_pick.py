"""Apply a few of many transforms, drawn anew for every image (TBPS-CLIP takes two of six)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from torch import Tensor

from tbpsbench.data.transforms.base import Transform
from tbpsbench.registry import TRANSFORMS


@TRANSFORMS.register()
class RandomPick(Transform):
    """Draw `count` of the transforms and apply them in the order drawn.

    Args:
        size, mean, std: handed on to the transforms; supplied from `data`.
        transforms: TRANSFORMS components, at least one.
        count: how many are drawn; >= 1.
        replace: whether one can be drawn twice. TBPS-CLIP does, so its two may be the same.

    Raises:
        ValueError: if there are no transforms, or fewer than `count` to draw without replacement.
    """

    def __init__(
        self,
        size: tuple[int, int],
        mean: Sequence[float],
        std: Sequence[float],
        transforms: list[dict[str, Any]],
        count: int = 2,
        *,
        replace: bool = True,
    ) -> None:
        if not transforms or count < 1 or (count > len(transforms) and not replace):
            raise ValueError(f"cannot draw {count} of {len(transforms)} transforms{'' if replace else ' once each'}")
        context = {"size": size, "mean": mean, "std": std}
        self.transforms = [TRANSFORMS.build(c, f"transforms.{index}", context) for index, c in enumerate(transforms)]
        self.count, self.replace = count, replace

    def __call__(self, image_3HW: Tensor, rng: np.random.Generator) -> Tensor:
        for index in rng.choice(len(self.transforms), size=self.count, replace=self.replace):
            image_3HW = self.transforms[index](image_3HW, rng)
        return image_3HW
