"""Retrieval sheet: queries with their best gallery images, each marked as the right identity or as a wrong one.

The scores and ranks on it are those of an evaluation by the protocol `standard`, by the config's rule for ties.

Shapes: Q queries, D width, R rows of the sheet, k images in a row.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

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
from tbpsbench.visualize.paper import INK, RIGHT, SOFT, WRONG, font, label, open_rgb, save_png, wrapped
from tbpsbench.visualize.queries import SHOW, Show, by_caption, by_identity, pick_queries, told_choice, told_count
from tbpsbench.visualize.sheets import KEY, headed_sheet, judged_frame, judged_sign

TEXT_W, IMAGE_H, GAP, FRAME, LABEL, LINE = 300, 150, 12, 4, 18, 17
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
        DataError: if the split has no such query, none of the kind that is asked for, or it was skipped; or
            `captions` are more than a sheet has rows.
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
    first_P = np.array([first[place] for place in pool], dtype=np.int64)
    picked = pick_queries(first_P, rows, show, seed)
    if not picked:
        raise DataError(f"--show {show}: no query is like that. Choose another of {', '.join(SHOW)}.")
    whose = "Queries of the persons asked for" if identities else "Queries"
    return [pool[place] for place in picked], f"{whose}: {told_choice(first_P, picked, show, seed)}."


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
    body, small = font(13), font(11.5)
    sheet, draw, top = headed_sheet(max(needed, MIN_W), len(chosen) * row_h, *headings(data, split, ranked, rule))
    for row, query in enumerate(chosen):
        y, place = top + row * row_h, first[query]
        who = f"person {asked.pids[query]}, caption {asked.caption_ids[query]}: first match at rank {place + 1}"
        draw.text((GAP, y), who, fill=WRONG if place else RIGHT, font=small)
        for number, line in enumerate(wrapped(draw, asked.texts[query], TEXT_W - GAP, body, TEXT_LINES)):
            draw.text((GAP, y + LINE * (number + 1)), line, fill=INK, font=body)
        for number, position in enumerate(best.order[row]):
            x = TEXT_W + GAP + number * (width + 2 * FRAME + GAP)
            last, bottom = x + width + 2 * FRAME - 1, y + IMAGE_H + 2 * FRAME - 1
            right = bool(gallery.pids[position] == asked.pids[query])
            judged_frame(draw, (x, y, last, bottom), right=right)
            record = gallery.records[position]
            image = open_rgb(data.annotations.image_root / record.file, (width, IMAGE_H))
            sheet.paste(image, (x + FRAME, y + FRAME))
            text = f"{number + 1}.  {best.scores[row, number]:.2f}"
            draw.text((x, bottom + 2), text, fill=SOFT, font=small)
            judged_sign(draw, last, bottom + 4, right=right)
    return save_png(sheet, path)


def headings(data: EvaluationData, split: str, ranked: Ranked, rule: str) -> tuple[str, str]:
    """The texts above the rows: what was found, and what is shown."""
    skipped = f" ({len(ranked.ranks.skipped)} without a match left out)" if len(ranked.ranks.skipped) else ""
    title = (
        f"{label(data.name, 40)}, {label(split, 24)}: R@1 {ranked.recall:.2f} % over {told_count(len(ranked.ranks))}"
    )
    title += skipped + ranked.reordered + (", gallery with descriptions" if data.gallery(split).roles else "")
    return title, f"Protocol standard, {TIES_TOLD[ranked.ties]}. {rule} {KEY} Below an image: its rank and similarity."
