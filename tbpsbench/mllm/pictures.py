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
    """The picture with at least `min_pixels`, as PNG; itself if it has them and is PNG, JPEG or WebP.

    Raises:
        ItemError: if it is no image, or damaged.
    """
    from PIL import Image

    mime, (width, height) = _kind(picture.data, repr(picture))
    scale = max(1.0, math.sqrt(min_pixels / (width * height)))
    if scale == 1.0 and mime in MIMES.values():
        return Picture(picture.data, mime)
    buffer = io.BytesIO()
    try:
        with Image.open(io.BytesIO(picture.data)) as image:
            size = (math.ceil(width * scale), math.ceil(height * scale))
            image.convert("RGB").resize(size, Image.Resampling.BICUBIC).save(buffer, "PNG", compress_level=1)
    except Exception as error:  # of a damaged file Pillow raises nearly anything
        raise ItemError("bad-image", f"{picture}: {error}") from error
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
