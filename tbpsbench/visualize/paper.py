"""What the pictures share: colours, fonts that come with Pillow, wrapped text, plain axes, an atomic PNG."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image, ImageDraw, ImageFont

from tbpsbench.errors import DataError
from tbpsbench.files import atomic_write

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PAPER, INK, SOFT = (250, 249, 246), (34, 34, 38), (110, 108, 104)
RIGHT, WRONG, SECOND = (38, 140, 74), (196, 60, 48), (178, 84, 40)
# Okabe and Ito's colours, told apart by colour-blind readers, without their yellow, which is faint on white.
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")
Font = ImageFont.ImageFont | ImageFont.FreeTypeFont


def font(size: float) -> Font:
    """The font bundled with Pillow; no system font is needed."""
    return ImageFont.load_default(size)


def wrapped(draw: ImageDraw.ImageDraw, text: str, width: int, using: Font, most: int) -> list[str]:
    """Lines no wider than `width` pixels, at most `most`; the last one ends in dots if the text is longer."""
    lines, line = [], ""
    for word in text.split():
        trial = f"{line} {word}".strip()
        if draw.textlength(trial, using) > width and line:
            lines.append(line)
            line = word
        else:
            line = trial
    lines.append(line)
    return lines if len(lines) <= most else [*lines[: most - 1], f"{lines[most - 1]} ..."]


def open_rgb(path: Path, size: tuple[int, int] | None = None) -> Image.Image:
    """An image file as RGB, resized to (width, height) if asked.

    Raises:
        DataError: if it cannot be read.
    """
    try:
        with Image.open(path) as image:
            rgb = image.convert("RGB")
    except OSError as error:
        raise DataError(f"{path}: cannot be read as an image ({error})") from error
    return rgb.resize(size, Image.Resampling.BICUBIC) if size else rgb


def save_png(image: Image.Image, path: str | Path) -> Path:
    """Write a PNG whole or not at all."""
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return _write(buffer, path)


def save_figure(figure: Figure, path: str | Path) -> Path:
    """Write a figure of matplotlib as a PNG, whole or not at all; a bare `Figure` needs no display."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=120)
    return _write(buffer, path)


def plain(axes: Axes, *, grid: bool = True) -> None:
    """No frame but the two axes, a faint grid."""
    axes.spines[["top", "right"]].set_visible(False)
    if grid:
        axes.grid(alpha=0.25)


def _write(buffer: io.BytesIO, path: str | Path) -> Path:
    with atomic_write(path) as stream:
        stream.write(buffer.getvalue())
    return Path(path)
