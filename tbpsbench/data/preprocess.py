"""From a picture to what a model sees: decode, resize, and the transforms that are not random.

Shapes: H x W pixels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias, cast

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from tbpsbench import registry
from tbpsbench.config.schema import DataSection
from tbpsbench.data.images import BadImageError, Interpolation, load_image, resize, to_planes, to_rgb
from tbpsbench.data.randomness import sample_rng
from tbpsbench.data.transforms.base import Transform
from tbpsbench.data.transforms.compose import Compose
from tbpsbench.errors import DataError

Picture: TypeAlias = str | Path | Image.Image | np.ndarray
NORMALIZE: tuple[Mapping[str, Any], ...] = ({"type": "Normalize"},)


class Preprocess:
    """How a system looks at a picture.

    Args:
        size: height and width.
        interpolation: how pictures are resized.
        mean, std: per channel, of pixel values scaled to 0..1.
        transforms: TRANSFORMS components in order; random ones are left out.
    """

    def __init__(
        self,
        size: Sequence[int],
        interpolation: str,
        mean: Sequence[float],
        std: Sequence[float],
        transforms: Sequence[Mapping[str, Any]] = NORMALIZE,
    ) -> None:
        self.size = (int(size[0]), int(size[1]))
        self.interpolation = cast("Interpolation", interpolation)
        self.mean, self.std = tuple(mean), tuple(std)
        pairs = [
            (dict(config), built)
            for config, built in zip(transforms, self.build(transforms), strict=True)
            if not built.random
        ]
        self.transforms = tuple(config for config, _ in pairs)
        self.fixed = Compose([built for _, built in pairs], self.size)

    @classmethod
    def of(cls, section: DataSection) -> Preprocess:
        """What evaluation does in a config's `data` section."""
        return cls(section.size, section.interpolation, section.mean, section.std, section.transforms or NORMALIZE)

    def build(self, transforms: Sequence[Mapping[str, Any]], path: str = "data.transforms") -> list[Transform]:
        """TRANSFORMS components, random ones included, for pictures of this size and scale."""
        context = {"size": self.size, "mean": self.mean, "std": self.std}
        return [
            registry.TRANSFORMS.build(config, f"{path}.{position}", context)
            for position, config in enumerate(transforms)
        ]

    def to_json(self) -> dict[str, Any]:
        """The constructor's arguments as plain data."""
        return {
            "size": list(self.size),
            "interpolation": self.interpolation,
            "mean": list(self.mean),
            "std": list(self.std),
            "transforms": [dict(config) for config in self.transforms],
        }

    def __call__(self, picture: Picture) -> Tensor:
        """One picture as the model's input, (3, H, W) float32.

        Args:
            picture: a file, a PIL image, or pixels as uint8 of shape (height, width, 3).

        Raises:
            DataError: if the file is missing or damaged, or the pixels have another type or shape.
        """
        if isinstance(picture, str | Path):
            try:
                planes = load_image(picture, self.size, self.interpolation)
            except BadImageError as error:
                raise DataError(f"{picture}: {error}") from None
        else:
            return self.of_rgb(_as_image(picture))
        return self._fixed_of(planes)

    def of_rgb(self, image: Image.Image) -> Tensor:
        """As a call, for an image that `decode` has made upright and RGB."""
        return self._fixed_of(to_planes(resize(image, self.size, self.interpolation)))

    def _fixed_of(self, planes: np.ndarray) -> Tensor:
        return self.fixed(torch.from_numpy(planes), sample_rng(0, 0, 0, "evaluation"))


def _as_image(picture: Image.Image | np.ndarray) -> Image.Image:
    if isinstance(picture, Image.Image):
        if 0 in picture.size:
            raise DataError(f"a picture of {picture.width} x {picture.height} has no pixels: an empty crop?")
        try:
            return to_rgb(picture)
        except (BadImageError, OSError, ValueError) as error:
            raise DataError(f"a picture that cannot be used: {error}") from None
    pixels = np.asarray(picture)
    if 0 in pixels.shape[:2]:
        raise DataError(f"a picture of shape {pixels.shape} has no pixels: an empty crop?")
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3:
        raise DataError(
            f"pixels of {pixels.dtype} and shape {pixels.shape}: expected uint8 of shape (height, width, 3), RGB"
        )
    return Image.fromarray(np.ascontiguousarray(pixels))
