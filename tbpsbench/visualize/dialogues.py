"""Searches before and after an interaction, with the dialogue beside them (as Fig. 3 of CTGI)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import ImageDraw

from tbpsbench.config.schema import EvaluationSection
from tbpsbench.data.evaluation import EvaluationData
from tbpsbench.engine.embed import embed_captions, embed_images
from tbpsbench.engine.evaluate import Rankings
from tbpsbench.engine.interacting import Found, first_ranks
from tbpsbench.engine.plan import Question, plan_evaluation
from tbpsbench.errors import ConfigError, DataError
from tbpsbench.interaction.session import Session
from tbpsbench.interaction.turns import Answered, Judged, Refined
from tbpsbench.model.base import SearchModel
from tbpsbench.protocols.base import BEFORE_INTERACTION
from tbpsbench.visualize.paper import INK, SECOND, SOFT, font, label, open_rgb, save_png, wrapped
from tbpsbench.visualize.queries import SHOW, Show, by_caption, pick_queries, told_choice, told_count
from tbpsbench.visualize.sheets import KEY, headed_sheet, judged_frame, judged_sign

TEXT_W, IMAGE_H, GAP, FRAME, LABEL, LINE = 430, 132, 12, 4, 18, 16
IMAGES, LINES, MIN_W = 8, 22, 1100


@dataclass(frozen=True)
class Talked:
    """A split, talked about.

    Attributes:
        found: dialogues and ranks after them.
        question: whose they are.
        first: (Q,) ranks from 1 of the first match after, and `first_before`.
        recall, recall_before: R@1 in percent.
    """

    found: Found
    question: Question
    first: np.ndarray
    first_before: np.ndarray
    recall: float
    recall_before: float


def talk(model: SearchModel, data: EvaluationData, split: str, section: EvaluationSection) -> Talked:
    """Evaluate the first protocol of a split with the config's interactor.

    Args:
        model: in evaluation mode.
        data, split, section: as in `evaluate`.

    Raises:
        ConfigError: if the config has no interactor, or one without dialogues to show.
        DataError, StopRun: as an evaluation.
    """
    if section.interactor is None:
        raise ConfigError(
            "evaluation.interactor: none is set; e.g. evaluation.interactor=\"dict(type='MTI', mllm=...)\""
        )
    plan = plan_evaluation(data, split, section)
    images = {
        name: embed_images(model, gallery, section.batch_size, data.num_workers)
        for name, gallery in plan.galleries.items()
    }
    rankings = Rankings(model, data, section, plan, embed_captions(model, plan.queries, section.batch_size), images)
    question = plan.questions[0]
    results = {result.name: result for result in rankings.results(question)}
    found = rankings.found.get(question.name)
    if found is None or not found.outcome.sessions:
        raise ConfigError("evaluation.interactor: keeps no dialogues that could be drawn")
    after, before = results[question.name], results[f"{question.name}{BEFORE_INTERACTION}"]
    recalls = [100 * float((first_ranks(one.ranks) == 1).mean()) for one in (after, before)]
    return Talked(found, question, first_ranks(after.ranks), first_ranks(before.ranks), *recalls)


def choose_talked(
    talked: Talked, data: EvaluationData, split: str, *, rows: int, captions: Sequence[int], show: Show, seed: int
) -> tuple[list[int], str]:
    """Rows of the question to show, and the rule in words: by caption id, or by how the search did before.

    Raises:
        DataError: if there is no such query, or `captions` are more than a sheet has rows.
    """
    if captions:
        queries = data.queries(split)
        wanted = by_caption(queries, split, captions, data.annotations)
        place = {int(row): n for n, row in enumerate(talked.question.ask.rows)}
        return [place[row] for row in wanted if row in place], "Queries chosen by number."
    before = talked.first_before - 1
    picked = pick_queries(before, rows, show, seed)
    if not picked:
        raise DataError(f"--show {show}: no query is like that. Choose another of {', '.join(SHOW)}.")
    rule = f"Queries before the interaction: {told_choice(before, picked, show, seed)}."
    return [int(talked.found.ranks.query[n]) for n in picked], rule


def dialogue_lines(session: Session) -> list[tuple[str, tuple[int, int, int]]]:
    """A dialogue as lines with colours: verdicts in one line, every question with what was kept of the answers."""
    lines = [(f"Query: {session.query}", INK)]
    verdicts = [turn for turn in session.turns if isinstance(turn, Judged)]
    if verdicts:
        said = "".join("Y" if turn.yes else "n" for turn in verdicts)
        place = next((n for n, turn in enumerate(verdicts, 1) if turn.image == session.state.anchor), None)
        told = f"candidate {place} is the anchor" if place else "no anchor"
        lines.append((f"Does it fit? {said}: {told}", SOFT))
    for turn in session.turns:
        if isinstance(turn, Answered):
            lines.append((f"Asked about: {', '.join(turn.slots)}", SOFT))
            lines += [(f"- {answer}", INK) for answer in turn.answers]
            lines += [(f"- nothing to keep ({len(turn.dropped)} dropped)", SOFT)] if not turn.answers else []
        elif isinstance(turn, Refined):
            lines.append((f"New query: {turn.text}", SECOND))
    return lines


def dialogue_sheet(
    data: EvaluationData, split: str, talked: Talked, chosen: Sequence[int], rule: str, path: str | Path
) -> Path:
    """Draw one row per query: the dialogue, then the best images before it and, below, after it.

    Args:
        data, split, talked: what was evaluated.
        chosen: rows of the question.
        rule: how they were chosen.
        path: the PNG to write.

    Raises:
        DataError: if an image cannot be read.
        StorageError: if the file cannot be written.
    """
    question, outcome = talked.question, talked.found.outcome
    records = [record for part in question.splits for record in data.gallery(part).records]
    width = round(IMAGE_H * data.size[1] / data.size[0])
    strip_h = IMAGE_H + 2 * FRAME + LABEL
    row_h = 2 * strip_h + 2 * GAP
    count = min(IMAGES, len(records))
    needed, small = TEXT_W + 2 * GAP + 60 + count * (width + 2 * FRAME + GAP), font(11.5)
    title = (
        f"{label(data.name, 40)}, {label(split, 24)}: R@1 {talked.recall_before:.2f} % before, {talked.recall:.2f} % "
        f"after, over {told_count(len(talked.first))}"
    )
    told = f"{rule} {KEY} A thick frame: the anchor. Below an image: its rank."
    sheet, draw, above = headed_sheet(max(MIN_W, needed), len(chosen) * row_h, title, told)
    for row, query in enumerate(chosen):
        y = above + row * row_h
        _write(draw, outcome.sessions[query], y)
        for half, (name, scores) in enumerate((("before", talked.found.before), ("after", outcome.scores))):
            top = y + half * strip_h
            draw.text((TEXT_W + GAP, top + IMAGE_H // 2), name, fill=SOFT, font=small)
            order = np.argsort(-scores(query, query + 1)[0].numpy(), kind="stable")[:count]
            for number, position in enumerate(order):
                x = TEXT_W + GAP + 60 + number * (width + 2 * FRAME + GAP)
                right = bool(question.answer.pids[position] == question.ask.pids[query])
                frame = FRAME if int(position) != int(outcome.anchors[query]) else 2 * FRAME
                bottom = top + IMAGE_H + 2 * FRAME - 1
                judged_frame(draw, (x - frame + FRAME, top, x + width + FRAME + frame - 1, bottom), right=right)
                image = open_rgb(data.annotations.image_root / records[position].file, (width, IMAGE_H))
                sheet.paste(image, (x + FRAME, top + FRAME))
                draw.text((x, bottom + 2), f"{number + 1}.", fill=SOFT, font=small)
                judged_sign(draw, x + width + 2 * FRAME - 1, bottom + 4, right=right)
    return save_png(sheet, path)


def _write(draw: ImageDraw.ImageDraw, session: Session, y: int) -> None:
    """The dialogue, as many lines as fit."""
    using = font(12.5)
    lines = [
        (line, colour)
        for text, colour in dialogue_lines(session)
        for line in wrapped(draw, text, TEXT_W - GAP, using, 6)
    ]
    if len(lines) > LINES:
        lines = [*lines[: LINES - 1], ("...", SOFT)]
    for number, (line, colour) in enumerate(lines):
        draw.text((GAP, y + LINE * number), line, fill=colour, font=using)
