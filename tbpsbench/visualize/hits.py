"""Sheets of what searches found: one row for each search, a heading and its pictures with a line below each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from tbpsbench.errors import DataError
from tbpsbench.visualize.paper import INK, MAX_ROWS, PAPER, SOFT, font, label, save_png, wrapped
from tbpsbench.visualize.sheets import KEY, SIGN, headed_sheet, judged_frame, judged_sign

IMAGE_H, GAP, FRAME, LABEL, LINE, TEXT_LINES = 192, 12, 4, 34, 20, 3
MIN_W = 640


@dataclass(frozen=True)
class Shown:
    """A picture of a row.

    Attributes:
        picture: RGB; None where the file is gone by now.
        lines: below it, at most two are drawn.
        good: the sign of what is right (True), of what is wrong (False), or none.
    """

    picture: Image.Image | None
    lines: tuple[str, ...]
    good: bool | None = None


@dataclass(frozen=True)
class Row:
    """One search: what was asked, and what it found, best first."""

    heading: str
    pictures: Sequence[Shown]


def hits_sheet(title: str, rows: Sequence[Row], path: str | Path) -> Path:
    """Draw the rows below each other.

    Raises:
        DataError: if there is no row, or too many for one picture.
        StorageError: if the file cannot be written.
    """
    if not 1 <= len(rows) <= MAX_ROWS:
        raise DataError(f"{len(rows)} rows for one sheet, expected 1 to {MAX_ROWS}")
    drawn = [[(shown, _fitted(shown.picture)) for shown in row.pictures] for row in rows]
    wide = max(sum(image.width + 2 * FRAME + GAP for _, image in row) for row in drawn)
    row_h = TEXT_LINES * LINE + IMAGE_H + 2 * FRAME + LABEL + GAP
    body, small = font(13), font(11.5)
    key = KEY if any(shown.good is not None for row in rows for shown in row.pictures) else ""
    sheet, draw, top = headed_sheet(max(MIN_W, wide + GAP), len(rows) * row_h, label(title, 200), key)
    for number, (row, images) in enumerate(zip(rows, drawn, strict=True)):
        x, y = GAP, top + number * row_h
        for line, text in enumerate(wrapped(draw, label(row.heading, 600), sheet.width - 2 * GAP, body, TEXT_LINES)):
            draw.text((x, y + LINE * line), text, INK, body)
        y += TEXT_LINES * LINE
        for shown, image in images:
            last, bottom, room = x + image.width + 2 * FRAME - 1, y + IMAGE_H + 2 * FRAME - 1, 0
            if shown.good is not None:
                judged_frame(draw, (x, y, last, bottom), right=shown.good)
                judged_sign(draw, last, bottom + 4, right=shown.good)
                room = SIGN + FRAME
            sheet.paste(image, (x + FRAME, y + FRAME))
            for line, text in enumerate(shown.lines[:2]):
                # The sign stands at the end of the first line.
                space = image.width + 2 * FRAME - room * (line == 0)
                draw.text((x, bottom + 2 + 15 * line), wrapped(draw, label(text), space, small, 1)[0], SOFT, small)
            x += image.width + 2 * FRAME + GAP
    return save_png(sheet, path)


def _fitted(picture: Image.Image | None) -> Image.Image:
    """A picture of the sheet's height, no wider than high; a grey field where there is none."""
    if picture is None:
        return Image.new("RGB", (IMAGE_H // 2, IMAGE_H), SOFT)
    width = max(IMAGE_H // 4, min(IMAGE_H, round(picture.width * IMAGE_H / picture.height)))
    scale = min(width / picture.width, IMAGE_H / picture.height)
    size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    field = Image.new("RGB", (width, IMAGE_H), PAPER)
    field.paste(picture.resize(size, Image.Resampling.BICUBIC), ((width - size[0]) // 2, (IMAGE_H - size[1]) // 2))
    return field
