"""What the pictures share: colours, fonts that come with Pillow, names and texts that fit, plain axes, an atomic PNG.

Names are a user's and may be anything: they are drawn as they are written, on one line, and cut where they are long.
"""

from __future__ import annotations

import io
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image, ImageDraw, ImageFont

from tbpsbench.data.images import BadImageError, decode, read_image
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
LONGEST = 60  # characters of a name in a picture
MAX_ROWS = 100  # of a sheet; a thousand would be a picture that no viewer opens


def font(size: float) -> Font:
    """The font bundled with Pillow; no system font is needed."""
    return ImageFont.load_default(size)


def wrapped(draw: ImageDraw.ImageDraw, text: str, width: int, using: Font, most: int) -> list[str]:
    """Lines no wider than `width` pixels, at most `most`; the last one ends in dots if the text is longer.

    A word that is wider than a line is broken.
    """

    def fits(line: str) -> bool:
        return draw.textlength(line, using) <= width

    lines, line = [], ""
    for word in text.split():
        if not fits(trial := f"{line} {word}".strip()) and line:
            lines.append(line)
            trial = word
        while not fits(trial) and len(trial) > 1 and len(lines) <= most:
            cut = next(cut for cut in range(len(trial) - 1, 0, -1) if fits(trial[:cut]) or cut == 1)
            lines.append(trial[:cut])
            trial = trial[cut:]
        line = trial
    lines.append(line)
    if len(lines) <= most:
        return lines
    last = lines[most - 1]
    while last and not fits(f"{last} ..."):
        last = last[:-1].rstrip()
    return [*lines[: most - 1], f"{last} ...".strip()]


def label(name: object, longest: int = LONGEST) -> str:
    """A name as it is drawn: on one line, without characters that cannot be seen, its middle left out if it is long.

    What tells long names apart often stands at their end, so that is kept.
    """
    text = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in " ".join(str(name).split()))
    if len(text) > longest:
        half = (longest - 3) // 2
        text = f"{text[: longest - 3 - half]}...{text[-half:]}"
    # A legend leaves out what begins with an underscore.
    return f" {text}" if text.startswith("_") else text


def heading(figure: Figure, title: str) -> None:
    """The title of a figure, on as many lines as its width asks for."""
    figure.suptitle(textwrap.fill(title, int(10.5 * figure.get_figwidth())), weight="bold")


def legend_columns(figure: Figure, names: list[str], most: int) -> int:
    """How many columns of a legend fit below a figure."""
    return max(1, min(most, int(11 * figure.get_figwidth() / (max(map(len, names), default=0) + 6))))


def open_rgb(path: Path, size: tuple[int, int] | None = None) -> Image.Image:
    """An image file as RGB, resized to (width, height) if asked.

    Raises:
        DataError: if it cannot be read.
    """
    try:
        rgb = decode(read_image(path))
    except BadImageError as error:
        raise DataError(f"{path}: cannot be used as an image ({error})") from None
    return rgb.resize(size, Image.Resampling.BICUBIC) if size else rgb


def save_png(image: Image.Image, path: str | Path) -> Path:
    """Write a PNG whole or not at all."""
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return _write(buffer, path)


def save_figure(figure: Figure, path: str | Path) -> Path:
    """Write a figure of matplotlib as a PNG, whole or not at all; a bare `Figure` needs no display.

    No text is read as mathematics: a name such as `$x$` is drawn as it stands.
    """
    from matplotlib.table import Cell
    from matplotlib.text import Text

    # A cell does not count its text among its children.
    for text in (*figure.findobj(Text), *(cell.get_text() for cell in figure.findobj(Cell))):
        text.set_parse_math(False)
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
