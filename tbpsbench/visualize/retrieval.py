"""Retrieval sheet: queries with their best gallery images, green where the identity is right, red where it is wrong.

The scores and ranks on it are those of an evaluation by the protocol `standard`, by the config's rule for ties.

Shapes: Q queries, D width, R rows of the sheet, k images in a row.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from tbpsbench.config.schema import EvaluationSection
from tbpsbench.data.evaluation import EvaluationData
from tbpsbench.engine.embed import embed_captions, embed_images
from tbpsbench.engine.scoring import Scored, exact_blocks, ranks_of
from tbpsbench.errors import DataError
from tbpsbench.metrics.best import best_by
from tbpsbench.metrics.inputs import Array
from tbpsbench.metrics.ranking import PositiveRanks, recall_at
from tbpsbench.metrics.ranks import Ties
from tbpsbench.model.base import SearchModel
from tbpsbench.visualize.paper import INK, PAPER, RIGHT, SOFT, WRONG, font, label, open_rgb, save_png, wrapped
from tbpsbench.visualize.queries import SHOW, Show, by_caption, by_identity, pick_queries

TEXT_W, IMAGE_H, GAP, FRAME, TOP, LABEL, LINE = 300, 150, 12, 4, 58, 18, 17
MIN_W, IMAGES, TEXT_LINES = 860, 10, 8
TIES_TOLD = {
    "pessimistic": "ties count against the system",
    "stable": "ties by gallery order",
    "optimistic": "ties count for the system",
    "expected": "expected over the orders of ties",
}


@dataclass(frozen=True)
class Ranked:
    """A split, ranked as an evaluation ranks it.

    Attributes:
        scores: (start, stop) -> similarities of these queries with the gallery; valid until the next call.
        step: queries of a block of them.
        ranks: of all positives, of the queries that have one.
        ties: the rule.
        reordered: what an evaluation would do with this ranking, and a sheet does not; "" for nothing.
    """

    scores: Callable[[int, int], Array]
    step: int
    ranks: PositiveRanks
    ties: Ties
    reordered: str = ""

    @property
    def recall(self) -> float:
        """R@1 in percent, as in a record."""
        return 100.0 * float(recall_at(self.ranks, [1])[1].mean())

    @property
    def first(self) -> dict[int, int]:
        """Query -> 0-based rank of its first match."""
        firsts = self.ranks.ranks[self.ranks.offsets[:-1]]
        return dict(zip(self.ranks.query.tolist(), firsts.tolist(), strict=True))


def rank(model: SearchModel, data: EvaluationData, split: str, section: EvaluationSection) -> Ranked:
    """Embed a split and rank it exactly; the memory is that of an evaluation.

    Args:
        model: in evaluation mode.
        data: queries and galleries.
        split: e.g. "test".
        section: the config's `evaluation`: batch size, ties, what happens to queries without a match.

    Raises:
        DataError: if the split has no queries, or one without a match that may not be skipped.
    """
    gallery, queries = data.gallery(split), data.queries(split)
    answer = Scored("image", embed_images(model, gallery, section.batch_size, data.num_workers), gallery.pids)
    ask = Scored("text", embed_captions(model, queries, section.batch_size), queries.pids)
    ranks = ranks_of(model, ask, answer, section.ties, skip_unmatched=section.skip_unmatched)
    if not len(ranks):
        raise DataError(f"no query of the split {split!r} has a match in its gallery: there is nothing to show")
    reordered = " before re-ranking" if section.rerank else " before interaction" if section.interactor else ""
    return Ranked(*exact_blocks(model, ask, answer), ranks, section.ties, reordered)


def choose(
    ranked: Ranked,
    data: EvaluationData,
    split: str,
    *,
    rows: int = 8,
    captions: Sequence[int] = (),
    identities: Sequence[int] = (),
    show: Show = "mixed",
    seed: int = 0,
) -> tuple[list[int], str]:
    """Positions of the queries to show, and the rule in words.

    Args:
        ranked: the split.
        data, split: what was ranked.
        rows: how many queries; `captions` are shown all.
        captions: ids of query captions.
        identities: persons whose queries are shown; without both, everybody's.
        show, seed: which of them, see `pick_queries`.

    Raises:
        DataError: if the split has no such query, none of the kind that is asked for, or it was skipped.
    """
    queries, first = data.queries(split), ranked.first
    if captions:
        chosen = by_caption(queries, split, captions, data.annotations)
        for place in chosen:
            if place not in first:
                raise DataError(f"--queries {queries.caption_ids[place]}: no image of the gallery matches, so no rank")
        return chosen, "Queries chosen by number."
    pool = by_identity(queries, split, identities, data.annotations) if identities else list(range(len(queries)))
    pool = [place for place in pool if place in first]
    picked = pick_queries(np.array([first[place] for place in pool], dtype=np.int64), rows, show, seed)
    if not picked:
        raise DataError(f"--show {show}: no query is like that. Choose another of {', '.join(SHOW)}.")
    whose = "Queries of the persons asked for" if identities else "Queries"
    rule = f"drawn with seed {seed}" if show == "random" else SHOW[show]
    return [pool[place] for place in picked], f"{whose}: {rule}."


def retrieval_sheet(
    data: EvaluationData, split: str, ranked: Ranked, chosen: Sequence[int], rule: str, path: str | Path
) -> Path:
    """Draw one row per query: its caption, then its best images with rank and similarity.

    Args:
        data, split, ranked: what was ranked.
        chosen: (R,) positions of queries.
        rule: how they were chosen, for the reader.
        path: the PNG to write.

    Raises:
        DataError: if an image cannot be read.
        StorageError: if the file cannot be written.
    """
    gallery, asked, first = data.gallery(split), data.queries(split), ranked.first
    best = best_by(ranked.scores, ranked.step, asked.pids, gallery.pids, chosen, IMAGES, ties=ranked.ties)
    width = round(IMAGE_H * data.size[1] / data.size[0])
    row_h = IMAGE_H + 2 * FRAME + LABEL + GAP
    needed = TEXT_W + 2 * GAP + best.order.shape[1] * (width + 2 * FRAME + GAP)
    sheet = Image.new("RGB", (max(needed, MIN_W), TOP + len(chosen) * row_h), PAPER)
    draw, body, small = ImageDraw.Draw(sheet), font(13.5), font(11.5)
    for (text, size, colour), y in zip(headings(data, split, ranked, rule), (8, 33), strict=True):
        draw.text((GAP, y), wrapped(draw, text, sheet.width - 2 * GAP, font(size), 1)[0], fill=colour, font=font(size))
    for row, query in enumerate(chosen):
        y, place = TOP + row * row_h, first[query]
        who = f"person {asked.pids[query]}, caption {asked.caption_ids[query]}: first match at rank {place + 1}"
        draw.text((GAP, y), who, fill=WRONG if place else RIGHT, font=small)
        for number, line in enumerate(wrapped(draw, asked.texts[query], TEXT_W - GAP, body, TEXT_LINES)):
            draw.text((GAP, y + LINE * (number + 1)), line, fill=INK, font=body)
        for number, position in enumerate(best.order[row]):
            x = TEXT_W + GAP + number * (width + 2 * FRAME + GAP)
            colour = RIGHT if gallery.pids[position] == asked.pids[query] else WRONG
            draw.rectangle((x, y, x + width + 2 * FRAME - 1, y + IMAGE_H + 2 * FRAME - 1), fill=colour)
            record = gallery.records[position]
            image = open_rgb(data.annotations.image_root / record.file, (width, IMAGE_H))
            sheet.paste(image, (x + FRAME, y + FRAME))
            text = f"{number + 1}.  {best.scores[row, number]:.2f}"
            draw.text((x, y + IMAGE_H + 2 * FRAME + 1), text, fill=SOFT, font=small)
    return save_png(sheet, path)


def headings(
    data: EvaluationData, split: str, ranked: Ranked, rule: str
) -> tuple[tuple[str, float, tuple[int, int, int]], ...]:
    """Text, size and colour of the two lines above the rows: what was found, and what is shown."""
    skipped = f" ({len(ranked.ranks.skipped)} without a match left out)" if len(ranked.ranks.skipped) else ""
    title = f"{label(data.name, 40)}, {label(split, 24)}: R@1 {ranked.recall:.2f} % over {len(ranked.ranks)} queries"
    title += skipped + ranked.reordered + (", gallery with descriptions" if data.gallery(split).roles else "")
    told = f"{rule} Green: the right person, red: another. Below an image: its rank and similarity."
    return (title, 16, INK), (f"Protocol standard, {TIES_TOLD[ranked.ties]}. {told}", 11.5, SOFT)
