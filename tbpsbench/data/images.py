"""Decode and resize images: one function for the cache, for reading without a cache, and for search.

Importing this file does not import torch: tools that only look at images start at once.

Shapes: H x W pixels. `_3HW` means (3, H, W), uint8, RGB.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol

import numpy as np
from PIL import Image, UnidentifiedImageError

from tbpsbench.errors import DataError

if TYPE_CHECKING:
    from torch import Tensor

Interpolation = Literal["bilinear", "bicubic"]
_RESAMPLING = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}
MAX_SHOWN = 20


class ImageReader(Protocol):
    """Anything that gives image number `image_id` of a data set as uint8 (3, H, W), free to be changed."""

    size: tuple[int, int]

    def __getitem__(self, image_id: int) -> Tensor: ...

    def __len__(self) -> int: ...


class BadImageError(Exception):
    """One image cannot be used; the text is the reason without the file's name."""


def decode(data: bytes) -> Image.Image:
    """Decode an image whole, as RGB.

    Raises:
        BadImageError: if it is empty, truncated or not an image.
    """
    if not data:
        raise BadImageError("empty file (0 bytes)")
    try:
        with Image.open(io.BytesIO(data)) as image:
            return image.convert("RGB")
    except UnidentifiedImageError:
        raise BadImageError("not an image") from None
    except Image.DecompressionBombError:
        raise BadImageError("too many pixels") from None
    except (OSError, SyntaxError, ValueError, EOFError) as error:
        raise BadImageError(f"damaged or truncated ({error})") from None


def read_image(path: str | Path) -> bytes:
    """The bytes of an image file.

    Raises:
        BadImageError: if it is missing or unreadable.
    """
    try:
        return Path(path).read_bytes()
    except FileNotFoundError:
        raise BadImageError("missing") from None
    except OSError as error:
        raise BadImageError(f"cannot be read ({error.strerror})") from None


def load_image(path: str | Path, size: tuple[int, int], interpolation: Interpolation = "bilinear") -> np.ndarray:
    """Read, decode and resize one image with Pillow, as torchvision's Resize does with a Pillow image.

    Args:
        path: an image file.
        size: height and width.
        interpolation: "bilinear" (IRRA, RDE) or "bicubic"; both with antialiasing.

    Returns:
        (3, H, W) uint8.

    Raises:
        BadImageError: if the file is missing or damaged.
    """
    return to_planes(resize(decode(read_image(path)), size, interpolation))


def resize(image: Image.Image, size: tuple[int, int], interpolation: Interpolation = "bilinear") -> Image.Image:
    """Resize to (height, width)."""
    return image.resize((size[1], size[0]), _RESAMPLING[interpolation])


def to_planes(image: Image.Image) -> np.ndarray:
    """An RGB image as (3, H, W) uint8."""
    return np.ascontiguousarray(np.asarray(image).transpose(2, 0, 1))


def bad_images_error(bad: Sequence[tuple[str, str]], root: Path, fix: str) -> DataError:
    """One error that lists up to 20 bad images (file, reason) and counts the rest."""
    shown = "".join(f"\n  {file}: {reason}" for file, reason in bad[:MAX_SHOWN])
    more = f"\n  ... and {len(bad) - MAX_SHOWN} more" if len(bad) > MAX_SHOWN else ""
    return DataError(f"{root}: {len(bad)} image{'s' * (len(bad) != 1)} cannot be used{shown}{more}\n{fix}")


class DecodedImages:
    """Reads every image from its file each time it is asked for: no cache, no disk space, slower.

    Args:
        root: folder that `files` are relative to.
        files: one per image_id.
        size: height and width.
        interpolation: see `load_image`.
        load: how one file is read; the default decodes and resizes.
    """

    def __init__(
        self,
        root: str | Path,
        files: Sequence[str],
        size: tuple[int, int],
        interpolation: Interpolation = "bilinear",
        load: Callable[[Path, tuple[int, int], Interpolation], np.ndarray] = load_image,
    ) -> None:
        self.root, self.files, self.size = Path(root), tuple(files), (size[0], size[1])
        self.interpolation, self._load = interpolation, load

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, image_id: int) -> Tensor:
        from torch import from_numpy

        file = self.files[image_id]
        try:
            return from_numpy(self._load(self.root / file, self.size, self.interpolation))
        except BadImageError as error:
            raise bad_images_error([(file, str(error))], self.root, "Copy it again from the release.") from None
