"""One file of a folder as the system sees it, and what is odd about it.

A folder of one's own holds what data sets do not: scans of sixteen bits, CMYK, photos turned by their EXIF orientation,
GIFs that move. They are read (data/images.py says how); the report says what was made of them.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import NamedTuple

from PIL import ExifTags, Image
from torch import Tensor

from tbpsbench.data.images import BadImageError, decode, read_image, resize
from tbpsbench.data.preprocess import Preprocess
from tbpsbench.errors import DataError

USUAL_MODES = ("RGB", "L")


class Look(NamedTuple):
    """A file that was looked at.

    Attributes:
        image_3HW: the model's input, float32; None if the file cannot be used.
        reason: why it cannot be used.
        remark: what is odd about a file that can.
    """

    image_3HW: Tensor | None
    reason: str = ""
    remark: str = ""


def look_at(path: Path, preprocess: Preprocess) -> Look:
    """Read and prepare one file; nothing is raised for a bad one."""
    try:
        data = read_image(path)
        image = resize(decode(data), preprocess.size, preprocess.interpolation)
        return Look(preprocess(image), remark=_remark(data))
    except (BadImageError, DataError) as error:
        return Look(None, reason=str(error))


def _remark(data: bytes) -> str:
    """What differs from an upright picture of one frame, grey or RGB; of a file that could be decoded."""
    with Image.open(io.BytesIO(data)) as image:
        told = [] if image.mode in USUAL_MODES else [f"{image.mode}, shown as RGB"]
        if (frames := getattr(image, "n_frames", 1)) > 1:
            told.append(f"the first of {frames} frames")
        try:
            turned = image.getexif().get(ExifTags.Base.Orientation, 1)
        except Exception:  # as in data/images.py: EXIF that cannot be read turns nothing
            turned = 1
    if turned in range(2, 9):
        told.append("turned upright as its EXIF orientation says")
    return ", ".join(told)
