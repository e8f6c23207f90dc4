"""Pictures from files, and the form in which a model sees enough of them."""

from __future__ import annotations

import io
import math
from functools import lru_cache
from pathlib import Path

from tbpsbench.mllm.errors import ItemError
from tbpsbench.mllm.messages import Picture

# A crop of 128 x 64 pixels becomes ten visual tokens in Qwen2-VL, one of so many pixels at least 52.
MIN_PIXELS = 50_176
# What every server shows alike.
PLAIN_MODES = {"RGB", "L"}
MIMES = {"PNG": "image/png", "JPEG": "image/jpeg", "WEBP": "image/webp"}


def read_picture(path: str | Path) -> Picture:
    """An image file as it is; its bytes are what `Picture.sha256` names.

    Raises:
        ItemError: if there is no such file or it is no image.
    """
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise ItemError("bad-image", f"{path}: cannot be read ({error.strerror})") from error
    return Picture(data, _kind(data, str(path))[0])


@lru_cache(maxsize=256)
def enlarged(picture: Picture, min_pixels: int = MIN_PIXELS) -> Picture:
    """The picture as training sees it (upright, opaque, eight bits: data/images.py), with at least `min_pixels`.

    A PNG, JPEG or WebP that is all this stays as it is; everything else becomes PNG. Servers differ in whether they
    turn a photo as its EXIF orientation says, and in what they make of transparency and of sixteen bits.

    Raises:
        ItemError: if it is no image, damaged, or has too many pixels.
    """
    from tbpsbench.data.images import RESAMPLING, BadImageError, decoded

    mime, (width, height) = _kind(picture.data, repr(picture))
    try:
        seen = decoded(picture.data)
    except BadImageError as error:
        raise ItemError("bad-image", f"{picture}: {error}") from error
    scale = max(1.0, math.sqrt(min_pixels / (width * height)))
    if scale == 1.0 and mime in MIMES.values() and seen.mode in PLAIN_MODES and not seen.turned:
        return Picture(picture.data, mime)
    image = seen.image
    if scale > 1.0:
        size = (math.ceil(image.width * scale), math.ceil(image.height * scale))
        image = image.resize(size, RESAMPLING["bicubic"])
    buffer = io.BytesIO()
    image.save(buffer, "PNG", compress_level=1)
    return Picture(buffer.getvalue(), "image/png")


@lru_cache(maxsize=64)
def pixels(picture: Picture) -> int:
    """Width times height; 0 where the file is no image."""
    try:
        width, height = _kind(picture.data, repr(picture))[1]
    except ItemError:
        return 0
    return width * height


def _kind(data: bytes, name: str) -> tuple[str, tuple[int, int]]:
    """Media type and (width, height) from the head of an image file."""
    from PIL import Image

    try:
        with Image.open(io.BytesIO(data)) as image:
            return MIMES.get(image.format or "", f"image/{(image.format or 'unknown').lower()}"), image.size
    except Exception as error:
        raise ItemError("bad-image", f"{name}: is no image that Pillow reads ({error})") from error
