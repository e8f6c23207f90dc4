"""A sheet of generated captions: image, caption, what was kept, what was dropped and why, and what failed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw

from tbpsbench.captions.run import Plan
from tbpsbench.captions.store import read_lines
from tbpsbench.errors import DataError
from tbpsbench.visualize.paper import INK, PAPER, RIGHT, SOFT, WRONG, font, label, open_rgb, save_png, wrapped

HEIGHT, GAP, LINE, TEXT_W, TOP, COLUMNS, LINES = 288, 18, 16, 470, 44, 2, 4
EMPTY = (214, 218, 224)
FAILED_SHARE = 4  # one place of so many is for failures, where there are any


def caption_sheet(plan: Plan, path: str | Path, count: int = 12) -> Path:
    """Draw images of a run with what was written of them.

    Args:
        plan: of the run.
        path: the PNG to write.
        count: images; a quarter of them failed ones, if there are any.

    Raises:
        DataError: if the run has captioned nothing yet.
        StorageError: if the file cannot be written.
    """
    records = {line["image_id"]: line for line in read_lines(plan.folder, "records")}
    failed = {line["image_id"]: line for line in read_lines(plan.folder, "failed") if line["image_id"] not in records}
    if not records and not failed:
        raise DataError(f"{plan.folder}: nothing was captioned yet. Run it first: python tools/caption.py CONFIG")
    bad = _spread([*failed.values()], max(1, count // FAILED_SHARE) if records else count) if failed else []
    shown = [*_spread([*records.values()], count - len(bad)), *bad]
    cells = [_Cell(plan, line) for line in shown]
    columns = min(COLUMNS, len(cells))
    width = max(cell.width for cell in cells)
    rows = [cells[start : start + columns] for start in range(0, len(cells), columns)]
    heights = [max(cell.height for cell in row) for row in rows]
    size = (GAP + columns * (width + GAP), TOP + sum(heights) + GAP * (len(rows) + 1))
    sheet = Image.new("RGB", size, PAPER)
    draw = ImageDraw.Draw(sheet)
    models = ", ".join(sorted({name for line in shown for name in line["model"].values()}))
    title = f"{plan.source.name} by {models}: {len(records):,} captioned, {len(failed):,} failed"
    draw.text((GAP, 14), wrapped(draw, title, size[0] - 2 * GAP, font(16), 1)[0], INK, font(16))
    y = TOP + GAP
    for row, height in zip(rows, heights, strict=True):
        for column, cell in enumerate(row):
            cell.draw(sheet, draw, GAP + column * (width + GAP), y)
        y += height + GAP
    return save_png(sheet, path)


class _Cell:
    """One image with its lines of text."""

    def __init__(self, plan: Plan, line: Mapping[str, Any]) -> None:
        picture = _scaled(plan.human.image_root / line["image_id"])
        self._picture = picture or Image.new("RGB", (HEIGHT // 2, HEIGHT), EMPTY)
        self._lines = [*_said(line)]
        if picture is None:
            self._lines.insert(1, ("! the image is gone or damaged", WRONG, 12.5, 1))
        measure = ImageDraw.Draw(Image.new("RGB", (8, 8)))
        self._drawn = [
            (part, colour, size)
            for text, colour, size, most in self._lines
            for part in wrapped(measure, text, TEXT_W, font(size), most)
        ]
        self.width = self._picture.width + GAP + TEXT_W
        self.height = max(HEIGHT, LINE * len(self._drawn))

    def draw(self, sheet: Image.Image, draw: ImageDraw.ImageDraw, x: int, y: int) -> None:
        sheet.paste(self._picture, (x, y))
        for number, (text, colour, size) in enumerate(self._drawn):
            draw.text((x + self._picture.width + GAP, y + LINE * number), text, colour, font(size))


def _said(line: Mapping[str, Any]) -> list[tuple[str, Any, float, int]]:
    """(text, colour, size, most lines) of all that is told of an image."""
    found = [(label(line["image_id"], 60), SOFT, 11.0, 1)]
    if line.get("static_caption"):
        found.append((f"static: {line['static_caption']}", SOFT, 12.5, LINES))
    for turn in line.get("qa", []):
        if turn["kept"]:
            found.append((f"+ {turn['slot']}: {turn['a']}", RIGHT, 12.5, 2))
        else:
            found.append((f"- {turn['slot']}: {label(turn['a'], 60)} ({turn['drop_reason']})", SOFT, 12.5, 2))
    for text in line.get("texts", []):
        style = "" if text["style"] is None else f", style {text['style']}"
        found.append((f"{text['role']}{style}: {text['text']}", INK, 13.5, 9))
        found += [(f"! {reason}", WRONG, 12.5, 1) for reason in text["valid"]["reasons"]]
    if "reason" in line:
        found.append((f"FAILED: {line['detail']}", WRONG, 13.5, 4))
        found += [(f"last try: {line['text']}", SOFT, 12.5, LINES)] if line.get("text") else []
    return found


def _scaled(path: Path) -> Image.Image | None:
    """The image at the sheet's height; None where it is gone or damaged."""
    try:
        image = open_rgb(path)
    except DataError:
        return None
    return image.resize((max(1, round(HEIGHT * image.width / image.height)), HEIGHT), Image.Resampling.BICUBIC)


def _spread(lines: list[Mapping[str, Any]], count: int) -> list[Mapping[str, Any]]:
    step = max(1, len(lines) // max(1, count))
    return lines[::step][:count]
