"""Contact sheet: images of several identities with their captions, for a person to look at."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

from PIL import Image, ImageDraw

from tbpsbench.annotations import Annotations, counts
from tbpsbench.data.sources import data_name
from tbpsbench.data.texts import records_of
from tbpsbench.errors import DataError
from tbpsbench.types import ImageRecord
from tbpsbench.visualize.paper import INK, PAPER, SECOND, SOFT, font, label, open_rgb, save_png, wrapped

HEIGHT, GAP, LINE, TEXT_LINES, TOP, MIN_W = 384, 14, 15, 10, 34, 620
NARROWEST, WIDEST = 1 / 4, 2  # width over height of a cell

COUNTED = {"ids": "persons", "images": "images", "captions": "captions"}


def contact_sheet(
    annotations: Annotations,
    path: str | Path,
    *,
    split: str | None = None,
    rows: int = 4,
    columns: int = 6,
    first: int = 0,
) -> Path:
    """Draw one row per identity: images in outfit A, then in outfit B where there are any, a caption below each.

    Cells have the shape of the first image, from 1:4 to 2:1; images of other shapes are centred in theirs.

    The title names the split and what it holds.

    Args:
        annotations: a data set with query captions.
        path: the PNG to write.
        split: whose images; None for all splits, whose names then go with the images.
        rows: identities, those with two outfits first.
        columns: images per identity at most; beside outfit A a third of them is kept for outfit B.
        first: identities to leave out at the beginning.

    Raises:
        DataError: if an image is missing, there is no such split (lists those that there are), or no identity is left.
        StorageError: if the file cannot be written.
    """
    shown = list(annotations.records) if split is None else records_of(annotations, split)
    people: dict[int, list[ImageRecord]] = defaultdict(list)
    for record in shown:
        people[record.pid].append(record)
    order = sorted(people, key=lambda pid: (-len({record.outfit for record in people[pid]}), pid))
    chosen = [_pick(people[pid], columns) for pid in order[first : first + rows]]
    if not chosen:
        raise DataError(f"{annotations.path}: no identity left for a contact sheet (first={first}).")
    width = round(HEIGHT * _aspect(annotations, chosen[0][0]))
    cell_h = HEIGHT + LINE * (TEXT_LINES + 2) + GAP
    across = max(map(len, chosen))
    size = (max(MIN_W, across * (width + GAP) + GAP), TOP + len(chosen) * cell_h + GAP)
    sheet = Image.new("RGB", size, PAPER)
    draw, body, small, large = ImageDraw.Draw(sheet), font(11.5), font(11), font(16)
    draw.text((GAP, 12), wrapped(draw, _title(annotations, split), size[0] - 2 * GAP, large, 1)[0], INK, large)
    for row, records in enumerate(chosen):
        for column, record in enumerate(records):
            x, y = GAP + column * (width + GAP), TOP + GAP + row * cell_h
            image = _fitted(open_rgb(annotations.image_root / record.file), width)
            sheet.paste(image, (x + (width - image.width) // 2, y + (HEIGHT - image.height) // 2))
            caption = record.captions[column % len(record.captions)] if record.captions else None
            facts = [
                f"id {record.pid}",
                record.split if split is None else "",
                f"outfit {record.outfit}" if record.outfit and "-clothes" not in record.split else "",
                caption.style if caption else "",
            ]
            told = wrapped(draw, ", ".join(label(fact, 30) for fact in facts if fact), width, small, 1)[0]
            draw.text((x, y + HEIGHT + 3), told, fill=SECOND if record.outfit == "B" else SOFT, font=small)
            for number, line in enumerate(wrapped(draw, caption.text if caption else "", width, body, TEXT_LINES)):
                draw.text((x, y + HEIGHT + 4 + LINE * (number + 1)), line, fill=INK, font=body)
    return save_png(sheet, path)


def _title(annotations: Annotations, split: str | None) -> str:
    """The data set, the split, and how much it holds."""
    there = counts(annotations.records)
    name = label(data_name(annotations), 40)
    if split is None:
        return f"{name}, all splits: {', '.join(label(known, 24) for known in there)}"
    numbers = ", ".join(f"{there[split][key]:,} {what}" for key, what in COUNTED.items())
    return f"{name}, {label(split, 24)}: {numbers}"


def _pick(records: list[ImageRecord], columns: int) -> list[ImageRecord]:
    """Images of one identity: outfit A first, up to a third from B, unless there is nothing else."""
    first = [record for record in records if record.outfit != "B"]
    second = [record for record in records if record.outfit == "B"][: columns // 3 if first else columns]
    return first[: columns - len(second)] + second


def _aspect(annotations: Annotations, record: ImageRecord) -> float:
    """Width over height of the first image, within reason; all cells get this shape."""
    image = open_rgb(annotations.image_root / record.file)
    return min(max(image.width / image.height, NARROWEST), WIDEST)


def _fitted(image: Image.Image, width: int) -> Image.Image:
    """An image as large as it can be in a cell, in its own shape."""
    scale = min(width / image.width, HEIGHT / image.height)
    size = max(1, round(image.width * scale)), max(1, round(image.height * scale))
    return image.resize(size, Image.Resampling.BICUBIC)
