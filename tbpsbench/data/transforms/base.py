"""What a transform promises: an image in, an image out, every random number from the generator it is handed."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

import numpy as np
from torch import Tensor


class Transform(ABC):
    """Base of the slot TRANSFORMS.

    The first transform of a list gets the decoded and resized image as uint8; the last must leave float32, normalised.
    A transform may change the tensor that it is given: nobody else holds it.

    Attributes:
        random: whether it draws random numbers; evaluation applies only those that do not.
    """

    random: ClassVar[bool] = True

    @abstractmethod
    def __call__(self, image_3HW: Tensor, rng: np.random.Generator) -> Tensor:
        """Return the transformed image, (3, H, W)."""


def check_probability(p: float) -> float:
    """`p` if it is in 0..1.

    Raises:
        ValueError: otherwise.
    """
    if not 0 <= p <= 1:
        raise ValueError(f"p is {p}, expected a probability between 0 and 1")
    return p


def require_pixel_values(image_3HW: Tensor, what: str) -> None:
    """Refuse an image that has been normalised: torchvision's colour functions would clip it to 0..1.

    Raises:
        TypeError: for floating-point numbers.
    """
    if image_3HW.is_floating_point():
        raise TypeError(f"{what} must come before Normalize: it changes pixel values of 0 to 255")


def require_level(value: float, image_3HW: Tensor, what: str) -> None:
    """Refuse a value that the pixels of an image cannot have.

    Raises:
        TypeError: before Normalize, for anything but whole numbers of 0..255.
    """
    if not image_3HW.is_floating_point() and not (0 <= value <= 255 and value == int(value)):
        raise TypeError(f"{what} is {value}; before Normalize, expected a whole number of 0 to 255")
