"""Retrieval sheet: queries with their best gallery images, green where the identity is right, red where it is wrong."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from tbpsbench.data.evaluation import EvaluationData
from tbpsbench.engine.embed import embed_captions, embed_images
from tbpsbench.model.person_search import PersonSearchModel, joint
from tbpsbench.types import Ranking
from tbpsbench.visualize.paper import INK, PAPER, RIGHT, SOFT, WRONG, font, open_rgb, save_png, wrapped

TEXT_W, IMAGE_H, GAP, FRAME, TOP, LABEL = 300, 150, 12, 4, 46, 18


def best_matches(model: PersonSearchModel, data: EvaluationData, split: str, k: int, batch_size: int = 256) -> Ranking:
    """The k best gallery images of every query of a split.

    Args:
        model: in evaluation mode.
        data: queries and galleries.
        split: e.g. "test".
        k: images per query; at most the gallery's size.
    """
    gallery, queries = data.gallery(split), data.queries(split)
    weights = model.head_weights
    image_GD = joint(embed_images(model, gallery, batch_size), weights).numpy()
    text_QD = joint(embed_captions(model, queries, batch_size), weights).numpy()
    scores_QG = text_QD @ image_GD.T
    order_Qk = np.argsort(-scores_QG, axis=1, kind="stable")[:, :k]
    return Ranking(np.take_along_axis(scores_QG, order_Qk, axis=1).astype(np.float32), order_Qk)


def pick_queries(hit_Q: np.ndarray, rows: int) -> list[int]:
    """Half queries that are right at rank 1 and half that are not, each evenly spread; fewer of a kind if need be."""
    right, wrong = np.flatnonzero(hit_Q), np.flatnonzero(~hit_Q)
    wanted = min(len(right), max(rows - rows // 2, rows - len(wrong)))
    chosen = [*_spread(right, wanted), *_spread(wrong, min(len(wrong), rows - wanted))]
    return [int(query) for query in chosen]


def retrieval_sheet(
    data: EvaluationData, split: str, ranking: Ranking, path: str | Path, *, rows: int = 8, queries: Sequence[int] = ()
) -> Path:
    """Draw one row per query: its caption, then its best images with rank and similarity.

    Args:
        data: queries and galleries.
        split: the split that was ranked.
        ranking: of all its queries.
        path: the PNG to write.
        rows: how many queries.
        queries: which ones; default: see `pick_queries`.

    Raises:
        DataError: if an image is missing.
        StorageError: if the file cannot be written.
    """
    gallery, asked = data.gallery(split), data.queries(split)
    hit_Qk = gallery.pids[ranking.order] == asked.pids[:, None]
    chosen = list(queries) or pick_queries(hit_Qk[:, 0], rows)
    width = round(IMAGE_H * data.size[1] / data.size[0])
    k = ranking.order.shape[1]
    row_h = IMAGE_H + 2 * FRAME + LABEL + GAP
    sheet = Image.new("RGB", (TEXT_W + 2 * GAP + k * (width + 2 * FRAME + GAP), TOP + len(chosen) * row_h), PAPER)
    draw, body, small = ImageDraw.Draw(sheet), font(13.5), font(11.5)
    title = f"{data.annotations.dataset}, {split}: R@1 {100 * hit_Qk[:, 0].mean():.1f} % over {len(asked)} queries"
    if gallery.roles:
        title += ", gallery with descriptions"
    draw.text((GAP, 10), title, fill=INK, font=font(16))
    rule = "Rows chosen: half right at rank 1, half wrong, evenly spread." if not queries else "Rows chosen by number."
    draw.text(
        (max(TEXT_W, draw.textlength(title, font(16))) + 2 * GAP, 13),
        f"{rule} Green: right identity, red: another.",
        fill=SOFT,
        font=small,
    )
    for row, query in enumerate(chosen):
        y = TOP + row * row_h
        first = int(np.argmax(hit_Qk[query])) + 1 if hit_Qk[query].any() else None
        note = f"first match at rank {first}" if first else f"no match in the first {k}"
        draw.text((GAP, y), f"id {asked.pids[query]}, {note}", fill=RIGHT if first == 1 else WRONG, font=small)
        for number, line in enumerate(wrapped(draw, asked.texts[query], TEXT_W - GAP, body, 9)):
            draw.text((GAP, y + 17 * (number + 1)), line, fill=INK, font=body)
        for rank, position in enumerate(ranking.order[query]):
            x = TEXT_W + GAP + rank * (width + 2 * FRAME + GAP)
            colour = RIGHT if hit_Qk[query, rank] else WRONG
            draw.rectangle((x, y, x + width + 2 * FRAME - 1, y + IMAGE_H + 2 * FRAME - 1), fill=colour)
            record = data.annotations.records[gallery.image_ids[position]]
            image = open_rgb(data.annotations.image_root / record.file, (width, IMAGE_H))
            sheet.paste(image, (x + FRAME, y + FRAME))
            label = f"{rank + 1}.  {ranking.scores[query, rank]:.2f}"
            draw.text((x, y + IMAGE_H + 2 * FRAME + 1), label, fill=SOFT, font=small)
    return save_png(sheet, path)


def _spread(items: np.ndarray, count: int) -> np.ndarray:
    return items[np.linspace(0, len(items) - 1, count).round().astype(int)] if count else items[:0]
