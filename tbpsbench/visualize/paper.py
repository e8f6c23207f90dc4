"""What the pictures share: colours, the font that comes with matplotlib, texts that fit, plain axes, an atomic PNG.

Names are a user's and may be anything: they are drawn as they are written, on one line, and cut where they are long.
What the font has no sign for, such as Chinese, is drawn as its escape, `\\u4e2d`: an empty box tells nothing.
"""

from __future__ import annotations

import io
import textwrap
from bisect import bisect_left
from functools import cache, partial
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
# Blue and orange are told apart by colour-blind readers, dark and light in grey.
RIGHT, WRONG, SECOND = (0, 60, 118), (196, 74, 0), (178, 84, 40)
# Okabe and Ito's colours, told apart by colour-blind readers, without their yellow, which is faint on white.
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")
# Of different length, so that the first 28 pairs all differ: lines are told apart where colours are not.
MARKERS, LINES = ("o", "s", "^", "D", "v", "P", "X"), ("-", "--", "-.", ":")
Font = ImageFont.ImageFont | ImageFont.FreeTypeFont
LONGEST = 60  # characters of a name in a picture
MAX_ROWS = 100  # of a sheet; a thousand would be a picture that no viewer opens


@cache
def font(size: float) -> Font:
    """DejaVu Sans as matplotlib brings it, so that all pictures have one font; no system font is needed."""
    return ImageFont.truetype(_font_file("DejaVuSans"), size)


def readable(text: str) -> str:
    """A text with what the font cannot draw, and what cannot be seen, as escapes; line breaks are kept."""
    return "".join(c if c == "\n" or (c.isprintable() and ord(c) in _glyphs()) else ascii(c)[1:-1] for c in text)


def wrapped(draw: ImageDraw.ImageDraw, text: str, width: int, using: Font, most: int) -> list[str]:
    """Lines no wider than `width` pixels, at most `most`; the last one ends in dots if the text is longer.

    A word that is wider than a line is broken.
    """

    def fits(line: str) -> bool:
        # More characters than pixels are not measured: a text may be of any length.
        return len(line) <= width and draw.textlength(line, using) <= width

    def too_wide(word: str, end: int) -> bool:
        return not fits(word[:end])

    lines, line = [], ""
    for word in map(readable, text.split()):
        if not fits(trial := f"{line} {word}".strip()) and line:
            lines.append(line)
            trial = word
        while not fits(trial) and len(trial) > 1 and len(lines) <= most:
            cut = bisect_left(range(2, len(trial)), True, key=partial(too_wide, trial)) + 1
            lines.append(trial[:cut])
            trial = trial[cut:]
        line = trial
        if len(lines) > most:
            break
    lines.append(line)
    if len(lines) <= most:
        return lines
    last = lines[most - 1]
    while last and not fits(f"{last} ..."):
        last = last[:-1].rstrip()
    return [*lines[: most - 1], f"{last} ...".strip()]


def label(name: object, longest: int = LONGEST) -> str:
    """A name as it is drawn: on one line, without characters that cannot be drawn, its middle left out if it is long.

    What tells long names apart often stands at their end, so that is kept.
    """
    text = readable(" ".join(str(name).split()))
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

    No text is read as mathematics: a name such as `$x$` is drawn as it stands. One with signs that the font lacks is
    drawn with their escapes.
    """
    from matplotlib.table import Cell
    from matplotlib.text import Text

    # A cell does not count its text among its children.
    for text in (*figure.findobj(Text), *(cell.get_text() for cell in figure.findobj(Cell))):
        text.set_parse_math(False)
        if (drawn := readable(text.get_text())) != text.get_text():
            text.set_text(drawn)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=120)
    return _write(buffer, path)


def plain(axes: Axes, *, grid: bool = True) -> None:
    """No frame but the two axes, a faint grid."""
    axes.spines[["top", "right"]].set_visible(False)
    if grid:
        axes.grid(alpha=0.25)


@cache
def _glyphs() -> frozenset[int]:
    """Code points that the font can draw, as it is and in bold."""
    from matplotlib.ft2font import FT2Font

    plain_font, bold = (FT2Font(_font_file(f"DejaVuSans{weight}")).get_charmap() for weight in ("", "-Bold"))
    return frozenset(plain_font) & frozenset(bold)


def _font_file(name: str) -> str:
    from matplotlib import get_data_path

    return f"{get_data_path()}/fonts/ttf/{name}.ttf"


def _write(buffer: io.BytesIO, path: str | Path) -> Path:
    with atomic_write(path) as stream:
        stream.write(buffer.getvalue())
    return Path(path)
