"""One file of a folder as the system sees it, and what is odd about it.

A folder of one's own holds what data sets do not: scans of sixteen bits, CMYK, photos turned by their EXIF orientation,
GIFs that move. They are read (data/images.py says how); the report says what was made of them.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from torch import Tensor

from tbpsbench.data.images import BadImageError, Decoded, decoded, read_image
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
        found = decoded(read_image(path))
        return Look(preprocess.of_rgb(found.image), remark=_remark(found))
    except (BadImageError, DataError) as error:
        return Look(None, reason=str(error))


def _remark(found: Decoded) -> str:
    """What differs from an upright picture of one frame, grey or RGB."""
    told = [] if found.mode in USUAL_MODES else [f"{found.mode}, shown as RGB"]
    if found.frames > 1:
        told.append(f"the first of {found.frames} frames")
    if found.turned:
        told.append("turned upright as its EXIF orientation says")
    return ", ".join(told)
