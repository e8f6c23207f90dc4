"""Decode and resize images: one function for the cache, for reading without a cache, and for search.

An image is shown as its camera meant it: turned as its EXIF orientation says, and with all its tones. More than eight
bits are scaled to eight, whole numbers from 0..65535 (from 0..2147483647 where one is larger) and fractions from 0..1
(or 0..255, or 0..65535, where one is larger); what is below 0 is black. Transparency is dropped, as everywhere in this
field.

Importing this file does not import torch: tools that only look at images start at once.

Shapes: H x W pixels. `_3HW` means (3, H, W), uint8, RGB.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol

import numpy as np
from PIL import ExifTags, Image, UnidentifiedImageError

from tbpsbench.errors import DataError
from tbpsbench.reading import shown

if TYPE_CHECKING:
    from torch import Tensor

Interpolation = Literal["bilinear", "bicubic"]
RESAMPLING = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}
MAX_SHOWN = 20
# What is taken for a picture in a folder that no list describes.
SUFFIXES = frozenset((".jpg", ".jpeg", ".jfif", ".png", ".bmp", ".webp", ".gif", ".tif", ".tiff", ".ppm", ".avif"))
# A photo of a whole street has a quarter of this; decoded it takes 400 MB.
MAX_PIXELS = 50_000_000
_TURN = {
    2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180, 4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE, 6: Image.Transpose.ROTATE_270, 7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}  # fmt: skip
# The largest values that a pixel of more than eight bits may mean by "white".
_WHITE = {"i": (65535, 2**31 - 1), "f": (1, 255, 65535)}
# Modes that Pillow brings to RGB by way of another one only.
_BY_WAY_OF = {"La": "LA", "RGBa": "RGBA"}


class ImageReader(Protocol):
    """Anything that gives image number `image_id` of a data set as uint8 (3, H, W), free to be changed."""

    size: tuple[int, int]

    def __getitem__(self, image_id: int) -> Tensor: ...

    def __len__(self) -> int: ...


class BadImageError(Exception):
    """One image cannot be used; the text is the reason without the file's name."""


class Decoded(NamedTuple):
    """An image and what its file was like.

    Attributes:
        image: whole, upright, RGB.
        mode: Pillow's name of what the pixels were.
        frames: how many the file has; the image is the first.
        turned: whether it was turned as its EXIF orientation says.
    """

    image: Image.Image
    mode: str
    frames: int
    turned: bool


def decode(data: bytes) -> Image.Image:
    """Decode an image whole, upright, as RGB with all its tones.

    Raises:
        BadImageError: if it is empty, truncated, too large or not an image.
    """
    return decoded(data).image


def decoded(data: bytes) -> Decoded:
    """As `decode`, with what the file was like.

    Raises:
        BadImageError: as `decode`.
    """
    if not data:
        raise BadImageError("empty file (0 bytes)")
    try:
        with Image.open(io.BytesIO(data)) as image:
            _require_fit(image)
            mode = image.mode
            rgb, turned = _upright_rgb(image)
            return Decoded(rgb, mode, _frames(image), turned)
    except BadImageError:
        raise
    except UnidentifiedImageError:
        raise BadImageError("not an image") from None
    except (Image.DecompressionBombError, MemoryError):
        raise BadImageError("too many pixels") from None
    except Exception as error:  # of a damaged file, the readers of thirty formats raise nearly anything
        raise BadImageError(f"damaged or truncated ({type(error).__name__}: {error})") from None


def head_problem(path: Path) -> str | None:
    """Why an image file cannot be used, as far as its first bytes tell: that it is torn shows when it is decoded."""
    try:
        if path.stat().st_size == 0:
            return "empty file (0 bytes)"
        with Image.open(path) as image:
            _require_fit(image)
    except BadImageError as error:
        return str(error)
    except FileNotFoundError:
        return "missing"
    except UnidentifiedImageError:
        return "not an image"
    except Image.DecompressionBombError:
        return "too many pixels"
    except OSError as error:
        return f"cannot be read ({error.strerror or error})"
    except Exception as error:  # as in `decoded`
        return f"damaged or truncated ({type(error).__name__}: {error})"
    return None


def _require_fit(image: Image.Image) -> None:
    if image.width * image.height > MAX_PIXELS:
        raise BadImageError(f"too many pixels ({image.width} x {image.height})")
    if image.format == "EPS":
        raise BadImageError("EPS is a program that draws, not an image: save it as PNG")


def _frames(image: Image.Image) -> int:
    """How many frames a file has; 1 where the later ones are damaged: the first is all that is used."""
    try:
        return int(getattr(image, "n_frames", 1))
    except Exception:  # as above
        return 1


def to_rgb(image: Image.Image) -> Image.Image:
    """An opened image upright, as RGB with all its tones (see the module).

    Raises:
        BadImageError: if its values are no numbers, or beyond any scale.
        Exception: whatever Pillow raises while it reads the rest of the file.
    """
    return _upright_rgb(image)[0]


def _upright_rgb(image: Image.Image) -> tuple[Image.Image, bool]:
    """See `to_rgb`; and whether it was turned."""
    image.load()
    image, turned = _upright(image)
    if image.mode.startswith("I") or image.mode == "F":
        image = _in_eight_bits(np.asarray(image))
    rgb = image.copy() if image.mode == "RGB" else _converted(image)
    rgb.info.clear()  # its EXIF would have it turned once more by whoever gets it
    return rgb, turned


def _converted(image: Image.Image) -> Image.Image:
    if way := _BY_WAY_OF.get(image.mode):
        image = image.convert(way)
    return image.convert("RGB")


def _upright(image: Image.Image) -> tuple[Image.Image, bool]:
    """The image turned as its EXIF orientation says; one whose EXIF cannot be read stays as it is."""
    try:
        turn = _TURN.get(image.getexif().get(ExifTags.Base.Orientation, 1))
    except Exception:  # as above; the pixels are whole all the same
        turn = None
    return (image, False) if turn is None else (image.transpose(turn), True)


def _in_eight_bits(pixels_HW: np.ndarray) -> Image.Image:
    """Grey values of more than eight bits as an image of eight; see the module for the scale."""
    if not np.isfinite(pixels_HW).all():
        raise BadImageError("holds values that are no numbers (NaN or infinite)")
    largest, scales = pixels_HW.max(), _WHITE["f" if pixels_HW.dtype.kind == "f" else "i"]
    white = next((white for white in scales if largest <= white), None)
    if white is None:
        raise BadImageError(f"holds the value {largest}, more than {scales[-1]}")
    return Image.fromarray(np.rint(pixels_HW.clip(0, white) * (255 / white)).astype(np.uint8))


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
    except ValueError:  # a NUL in the name
        raise BadImageError("not the name of a file") from None


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
    return image.resize((size[1], size[0]), RESAMPLING[interpolation])


def to_planes(image: Image.Image) -> np.ndarray:
    """An RGB image as (3, H, W) uint8."""
    return np.ascontiguousarray(np.asarray(image).transpose(2, 0, 1))


def bad_images_error(bad: Sequence[tuple[str, str]], root: Path, fix: str) -> DataError:
    """One error that lists up to 20 bad images (file, reason) and counts the rest."""
    listed = "".join(f"\n  {shown(file)}: {reason}" for file, reason in bad[:MAX_SHOWN])
    more = f"\n  ... and {len(bad) - MAX_SHOWN} more" if len(bad) > MAX_SHOWN else ""
    return DataError(f"{root}: {len(bad)} image{'s' * (len(bad) != 1)} cannot be used{listed}{more}\n{fix}")


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
