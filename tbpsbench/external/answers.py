"""Answer files: the best images of every caption, by name, best first; made by anything.

    1234<TAB>imgs/0007_c1.png imgs/0310_c2.png ...              caption_id, then files or image_ids with blanks between
    {"caption_id": 1234, "images": ["imgs/0007_c1.png", 88]}    the same in a .jsonl file; names may hold blanks

What is not listed lies behind all that is, in no order. A list of k images therefore tells R@1 to R@k exactly and
nothing about mAP: such metrics are left out, unless the lists name the whole gallery.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, TypeAlias

import numpy as np

from tbpsbench.config.schema import EvaluationSection
from tbpsbench.engine.plan import Question
from tbpsbench.errors import ConfigError, DataError
from tbpsbench.external.given import Given
from tbpsbench.external.ids import Names
from tbpsbench.external.task import Task
from tbpsbench.metrics.ranking import PositiveRanks, Ties, positive_ranks_by
from tbpsbench.metrics.recall import KS, RecallAtK
from tbpsbench.reading import read_jsonl, read_lines, shown
from tbpsbench.records.badges import ANSWERS

# Its number in the file, a caption_id, and names of images.
Line: TypeAlias = tuple[int, int, list[Any]]
FORM = "a line is the caption_id, a tab, and the images with blanks between them, best first"
OBJECT = 'a line is {"caption_id": ..., "images": [..., ...]}, best first'


class Answers(Given):
    """The best images of every caption.

    Args:
        listed: for query n, the rows of its images among those of the task, best first.

    Attributes:
        shortest: images of the shortest list.
        told: places that every list tells of the ranking that its query is scored by; known after `exact`.
    """

    kind: ClassVar[str] = ANSWERS

    def __init__(self, listed: list[np.ndarray]) -> None:
        self.listed = listed
        self.shortest = self.told = min(map(len, listed))
        self.notes = ("nothing shows how the answers were found: track rerank",)

    @property
    def similarity(self) -> str:
        return f"places in lists made by other code, {self.shortest} images or more a query"

    def protocol(self) -> dict[str, Any]:
        return {**super().protocol(), "listed": self.told}

    def exact(self, task: Task) -> EvaluationSection:
        section, galleries = task.section, {question.splits for question in task.questions}
        if section.both_directions:
            raise ConfigError(
                "evaluation.both_directions: answer files say which images fit a caption, not the reverse"
            )
        if len(galleries) > 1:
            raise ConfigError(
                f"evaluation.protocols: {', '.join(section.protocols)} show different galleries, and an answer file "
                "ranks one. Score them one by one."
            )
        known = [self._known(question, task.gallery_rows(question)) for question in task.questions]
        self.told, depth = min(told for told, _ in known), min(depth for _, depth in known)
        kept, left = [], []
        for metric in section.metrics:
            reduced = within(metric, depth)
            kept += [reduced] if reduced else []
            left += [] if reduced == metric else [left_out(metric, reduced)]
        if not kept:
            raise ConfigError(
                f"evaluation.metrics: lists of {depth:g} images tell R@k up to {depth:g} alone, and none of the "
                "metrics that are asked for. Give longer lists, or all images of the gallery."
            )
        if left:
            self.notes = (*self.notes, f"lists of {depth:g} images do not tell {', '.join(left)}: left out")
        return replace(section, metrics=kept)

    def ranks(self, question: Question, gallery_G: np.ndarray, ties: Ties) -> PositiveRanks:
        ask, answer = question.ask, question.answer
        column = self._columns(gallery_G[answer.rows])

        def block(start: int, stop: int) -> np.ndarray:
            scores_BG = np.full((stop - start, len(answer.rows)), -np.inf, np.float32)
            for row, query in enumerate(ask.rows[start:stop]):
                listed = column[self.listed[query]]
                scores_BG[row, listed] = -np.arange(len(listed), dtype=np.float32)
            return scores_BG

        return positive_ranks_by(
            block, ask.pids, answer.pids, ties=ties, query_groups=ask.groups, gallery_groups=answer.groups,
            skip_unmatched=question.skip,
        )  # fmt: skip

    def _columns(self, gallery_G: np.ndarray) -> np.ndarray:
        """Row of an image among all -> its column in this gallery; answer files know one gallery alone."""
        column = np.full(int(gallery_G.max()) + 1, -1, np.int64)
        column[gallery_G] = np.arange(len(gallery_G))
        return column

    def _known(self, question: Question, gallery_G: np.ndarray) -> tuple[int, float]:
        """How many places the shortest list tells, and up to which place the ranking of every query is known: infinite
        where all lists name the whole gallery.

        Images that leave the gallery of a query are no places, and queries without a match are not scored.
        """
        ask, answer = question.ask, question.answer
        column, shortest, depth = self._columns(gallery_G[answer.rows]), len(answer.rows), np.inf
        for position, query in enumerate(ask.rows):
            match, gone = answer.pids == ask.pids[position], np.zeros(len(answer.rows), bool)
            if ask.groups is not None and answer.groups is not None:
                gone = match & (answer.groups == ask.groups[position])
            if not (match & ~gone).any():
                continue
            listed = column[self.listed[query]]
            told = len(listed) - int(gone[listed].sum())
            shortest = min(shortest, told)
            if told < len(gone) - gone.sum():
                depth = min(depth, told)
        return shortest, depth


def within(metric: Mapping[str, Any], depth: float) -> dict[str, Any] | None:
    """What of a metric follows from the first `depth` places alone; None if nothing does."""
    if depth == np.inf:
        return dict(metric)
    known = [k for k in cut_offs(metric) if k <= depth]
    if not known:
        return None
    return dict(metric) if len(known) == len(cut_offs(metric)) else {**metric, "ks": known}


def cut_offs(metric: Mapping[str, Any]) -> list[int]:
    """The k of R@k; none for another metric."""
    ks = metric.get("ks", KS) if metric["type"] == RecallAtK.__name__ else ()
    return [k for k in ks if isinstance(k, int)] if isinstance(ks, list | tuple) else []


def left_out(metric: Mapping[str, Any], reduced: Mapping[str, Any] | None) -> str:
    """What of a metric is not in what `within` made of it: "R@5, R@10", or its type."""
    known = [] if reduced is None else cut_offs(reduced)
    return ", ".join(f"R@{k}" for k in cut_offs(metric) if k not in known) or str(metric["type"])


def read_answers(path: Path, names: Names) -> Answers:
    """Read an answer file; one called .jsonl holds JSON Lines.

    Raises:
        DataError: if a line has another form, a caption is missing, doubled or unknown, or a list names an image twice
            or one that is not in the gallery.
    """
    lines = list(_objects(path) if path.suffix == ".jsonl" else _texts(path))
    order = names.caption_rows([caption for _, caption, _ in lines], shown(path))
    return Answers([_rows(path, lines[position], names) for position in order.tolist()])


def _rows(path: Path, line: Line, names: Names) -> np.ndarray:
    number, caption, images = line
    rows = [names.image(name) for name in images]
    place = f"{shown(path)}:{number}: caption {caption}"
    if None in rows:
        raise DataError(f"{place}: {shown(str(images[rows.index(None)]))[:80]} is no image of the gallery")
    if not rows:
        raise DataError(f"{place}: names no image")
    found = np.array(rows, np.int64)
    if len(np.unique(found)) < len(found):
        twice = next(name for n, name in enumerate(images) if rows[n] in rows[:n])
        raise DataError(f"{place}: {shown(str(twice))[:80]} is named twice")
    return found


def _texts(path: Path) -> Iterator[Line]:
    for number, line in enumerate(read_lines(path), start=1):
        if not line.strip():
            continue
        caption, tab, images = line.partition("\t")
        if not tab or not (caption.isascii() and caption.isdigit() and len(caption) < 20):
            raise DataError(f"{shown(path)}:{number}: {FORM}; this one is {shown(line)[:60]!r}")
        yield number, int(caption), [name for name in re.split("[ \t]+", images) if name]


def _objects(path: Path) -> Iterator[Line]:
    for number, line in read_jsonl(path):
        caption, images = (line.get("caption_id"), line.get("images")) if isinstance(line, Mapping) else (None, None)
        named = isinstance(images, list) and all(type(name) in (int, str) for name in images)
        if type(caption) is not int or not isinstance(images, list) or not named:
            raise DataError(f"{shown(path)}:{number}: {OBJECT}; this one is {shown(str(line))[:60]!r}")
        yield number, caption, images
