"""What sheets of found images share: a heading, and signs of right and wrong that need no colour.

A right image has a whole frame and a tick, a wrong one a dashed frame and a cross: red and green are one to many
readers, and every colour is grey in print.
"""

from __future__ import annotations

from PIL import Image, ImageDraw

from tbpsbench.visualize.paper import INK, PAPER, RIGHT, SOFT, WRONG, font, wrapped

KEY = "Blue, whole frame, tick: the right person; orange, dashed, cross: another."
GAP, TITLE, TOLD, TOLD_LINES, TOLD_LINE = 12, 16, 11.5, 2, 16
DASH, SIGN = 9, 9
Box = tuple[int, int, int, int]


def headed_sheet(width: int, height: int, title: str, told: str) -> tuple[Image.Image, ImageDraw.ImageDraw, int]:
    """An empty sheet with a title and, below it, what the reader must know, on two lines where one is too short.

    Args:
        width: of the sheet.
        height: of what comes below the heading.
        title: one line, cut where it is too long.
        told: how to read the sheet; "" for nothing.

    Returns:
        The sheet, what draws on it, and where the heading ends.
    """
    measure = ImageDraw.Draw(Image.new("RGB", (8, 8)))
    large, small = font(TITLE), font(TOLD)
    lines = wrapped(measure, told, width - 2 * GAP, small, TOLD_LINES) if told else []
    top = 42 + TOLD_LINE * len(lines)
    sheet = Image.new("RGB", (width, top + height), PAPER)
    draw = ImageDraw.Draw(sheet)
    draw.text((GAP, 8), wrapped(draw, title, width - 2 * GAP, large, 1)[0], INK, large)
    for number, line in enumerate(lines):
        draw.text((GAP, 33 + TOLD_LINE * number), line, SOFT, small)
    return sheet, draw, top


def judged_frame(draw: ImageDraw.ImageDraw, box: Box, *, right: bool) -> None:
    """Fill a box, corners included, with what will be the frame of an image that is pasted over its middle."""
    draw.rectangle(box, RIGHT if right else WRONG)
    if right:
        return
    left, top, last, bottom = box
    for start, stop in _gaps(left, last):
        draw.rectangle((start, top, stop, bottom), PAPER)
    for start, stop in _gaps(top, bottom):
        draw.rectangle((left, start, last, stop), PAPER)


def judged_sign(draw: ImageDraw.ImageDraw, right_edge: int, y: int, *, right: bool) -> None:
    """A tick or a cross, drawn as lines, that ends at `right_edge`."""
    x = right_edge - SIGN
    if right:
        draw.line(((x, y + 5), (x + 3, y + SIGN), (x + SIGN, y)), RIGHT, 2, "curve")
    else:
        draw.line(((x, y), (x + SIGN, y + SIGN)), WRONG, 2)
        draw.line(((x, y + SIGN), (x + SIGN, y)), WRONG, 2)


def _gaps(first: int, last: int) -> list[tuple[int, int]]:
    """Where a dashed line from first to last is open; it begins and ends with a dash."""
    count = max(1, round(((last - first) / DASH - 1) / 2))
    step = (last - first + 1) / (2 * count + 1)
    return [(first + round((2 * n + 1) * step), first + round((2 * n + 2) * step) - 1) for n in range(count)]
