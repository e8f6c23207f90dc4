"""Contact sheet: images of several identities with their captions, for a person to look at."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

from PIL import Image, ImageDraw

from tbpsbench.annotations import Annotations
from tbpsbench.errors import DataError
from tbpsbench.types import ImageRecord
from tbpsbench.visualize.paper import INK, PAPER, SECOND, SOFT, font, open_rgb, save_png, wrapped

HEIGHT, GAP, LINE, TEXT_LINES = 384, 14, 15, 9


def contact_sheet(
    annotations: Annotations, path: str | Path, *, rows: int = 4, columns: int = 6, first: int = 0
) -> Path:
    """Draw one row per identity: images in outfit A, then in outfit B where there are any, a caption below each.

    Args:
        annotations: a data set with query captions.
        path: the PNG to write.
        rows: identities, those with two outfits first.
        columns: images per identity at most; a third of them is kept for outfit B.
        first: identities to leave out at the beginning.

    Raises:
        DataError: if an image is missing or the set has no identity left.
        StorageError: if the file cannot be written.
    """
    people: dict[int, list[ImageRecord]] = defaultdict(list)
    for record in annotations.records:
        people[record.pid].append(record)
    order = sorted(people, key=lambda pid: (-len({record.outfit for record in people[pid]}), pid))
    chosen = [_pick(people[pid], columns) for pid in order[first : first + rows]]
    if not chosen:
        raise DataError(f"{annotations.path}: no identity left for a contact sheet (first={first}).")
    width = round(HEIGHT * _aspect(annotations, chosen[0][0]))
    cell_h = HEIGHT + LINE * (TEXT_LINES + 2) + GAP
    across = max(map(len, chosen))
    sheet = Image.new("RGB", (across * (width + GAP) + GAP, len(chosen) * cell_h + GAP), PAPER)
    draw, body, small = ImageDraw.Draw(sheet), font(12.5), font(11)
    for row, records in enumerate(chosen):
        for column, record in enumerate(records):
            x, y = GAP + column * (width + GAP), GAP + row * cell_h
            sheet.paste(open_rgb(annotations.image_root / record.file, (width, HEIGHT)), (x, y))
            caption = record.captions[column % len(record.captions)] if record.captions else None
            facts = [f"id {record.pid}", f"outfit {record.outfit}" if record.outfit else "", caption and caption.style]
            label = ", ".join(str(fact) for fact in facts if fact)
            draw.text((x, y + HEIGHT + 3), label, fill=SECOND if record.outfit == "B" else SOFT, font=small)
            for number, line in enumerate(wrapped(draw, caption.text if caption else "", width, body, TEXT_LINES)):
                draw.text((x, y + HEIGHT + 4 + LINE * (number + 1)), line, fill=INK, font=body)
    return save_png(sheet, path)


def _pick(records: list[ImageRecord], columns: int) -> list[ImageRecord]:
    """Images of one identity: outfit A first, up to a third from B."""
    second = [record for record in records if record.outfit == "B"][: columns // 3]
    return [record for record in records if record.outfit != "B"][: columns - len(second)] + second


def _aspect(annotations: Annotations, record: ImageRecord) -> float:
    """Width over height of the first image; all cells get its shape."""
    image = open_rgb(annotations.image_root / record.file)
    return image.width / image.height
