"""What an evaluation asks, known from annotations alone: before a run is trained, and before anything is embedded.

Shapes: N items of a side, queries or images.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from tbpsbench import registry
from tbpsbench.annotations import Annotations
from tbpsbench.config.schema import EvaluationSection
from tbpsbench.config.selection import choosing_protocols
from tbpsbench.data.eval_set import GallerySet, Queries, QuerySet
from tbpsbench.data.evaluation import EvaluationData
from tbpsbench.data.folder import ImageFolder
from tbpsbench.data.preprocess import Preprocess
from tbpsbench.data.sources import Sources
from tbpsbench.errors import ConfigError, DataError
from tbpsbench.metrics.leaks import TrainingTexts, check_leaks
from tbpsbench.metrics.matching import MatchTable
from tbpsbench.protocols.base import IMAGE_TO_TEXT, Protocol, Task
from tbpsbench.types import Caption, ImageRecord


@dataclass(frozen=True)
class Side:
    """Who asks or answers.

    Attributes:
        rows: (N,) positions among the captions of the split, or among the images of the gallery.
        pids, ids: (N,) identities, and ids of captions or images.
        groups: (N,) labels of a protocol, or None.
    """

    rows: np.ndarray
    pids: np.ndarray
    ids: np.ndarray
    groups: np.ndarray | None = None


@dataclass(frozen=True)
class Question:
    """One ranking: a protocol in one direction.

    Attributes:
        name: of the protocol, with " (image-to-text)" for the other direction.
        ask, answer: captions and images, or the other way round.
        captions_ask: whether `ask` are captions.
        splits: whose images make the gallery, in this order.
        skip: leave out who has no match.
        distractors: whether further pictures lie behind the gallery.
    """

    name: str
    ask: Side
    answer: Side
    captions_ask: bool
    splits: tuple[str, ...]
    skip: bool
    distractors: bool = False


@dataclass(frozen=True)
class Plan:
    """Everything about an evaluation but the model.

    Attributes:
        queries: the captions of the split.
        galleries: by split, the evaluated one first.
        questions: in the order of the protocols.
        gallery_texts: texts that the gallery side uses.
        leaks: what the leak guard saw and `allow_leak` let pass.
        distractors: pictures that match nobody, where a protocol has them behind the gallery.
    """

    queries: QuerySet
    galleries: Mapping[str, GallerySet]
    questions: tuple[Question, ...]
    gallery_texts: list[Caption]
    leaks: list[str]
    distractors: ImageFolder | None = None


def plan_evaluation(
    data: EvaluationData, split: str, section: EvaluationSection, training: TrainingTexts | None = None
) -> Plan:
    """Make sure that an evaluation of a split can be had, and say what it asks. For the arguments see `evaluate`.

    Raises:
        ConfigError: if a protocol needs a folder of distractors and none is named.
        DataError: if the split is empty, a protocol lacks its images, a query has no match, or none has one.
        LeakError: if the leak guard refuses.
    """
    queries = data.queries(split)
    galleries = {name: data.gallery(name) for name in shown_splits(data.annotations, split, section)}
    records = {name: gallery.records for name, gallery in galleries.items()}
    questions, gallery_texts, leaks = plan_questions(data.sources, queries, records, split, section, training)
    among = any(question.distractors for question in questions)
    distractors = _distractors(section, data.preprocess) if among else None
    return Plan(queries, galleries, questions, gallery_texts, leaks, distractors)


def shown_splits(annotations: Annotations, split: str, section: EvaluationSection) -> list[str]:
    """The splits whose images any protocol shows, the evaluated one first.

    Raises:
        ConfigError: if there is no such protocol.
    """
    wanted = [part for protocol in _protocols(section).values() for part in protocol.gallery_splits(split)]
    there = annotations.splits()
    return [split, *(part for part in dict.fromkeys(wanted) if part in there and part != split)]


def plan_questions(
    sources: Sources,
    queries: Queries,
    records: Mapping[str, list[ImageRecord]],
    split: str,
    section: EvaluationSection,
    training: TrainingTexts | None = None,
) -> tuple[tuple[Question, ...], list[Caption], list[str]]:
    """What an evaluation asks, whoever answers.

    Args:
        sources: the data set's text files.
        queries: the captions of the split.
        records: the images of `shown_splits`.
        split, section, training: see `evaluate`.

    Returns:
        The questions, the texts that the gallery side uses, and what the leak guard saw and let pass.

    Raises:
        DataError, LeakError: as `plan_evaluation`.
    """
    gallery_texts = sources.texts_of_gallery([record for part in records.values() for record in part])
    leaks = check_leaks(
        queries=queries.captions,
        gallery_texts=gallery_texts,
        training=training,
        population=sources.population,
        test_pids={record.pid for record in records[split]},
        query_images=False,
        allow_leak=section.allow_leak,
    )
    questions: list[Question] = []
    for name, protocol in _protocols(section).items():
        wanted = tuple(protocol.gallery_splits(split))
        if wanted[:1] != (split,) or len({*wanted}) < len(wanted):
            raise ConfigError(
                f"evaluation.protocols: {name!r} shows the splits {wanted!r}; expected {split!r} first, and each once"
            )
        splits = tuple(part for part in wanted if part in records)
        shown = [record for part in splits for record in records[part]]
        questions += _questions(name, protocol, queries, shown, splits, section)
        if lacking := [part for part in wanted if part not in splits]:
            raise DataError(f"evaluation.protocols: {name!r} shows the split {lacking[0]!r}, which the data set lacks")
    for question in questions:
        _require_matches(question, split)
    return tuple(questions), gallery_texts, leaks


def _protocols(section: EvaluationSection) -> dict[str, Protocol]:
    return {name: registry.PROTOCOLS.build({"type": name}, "evaluation.protocols") for name in section.protocols}


def _distractors(section: EvaluationSection, preprocess: Preprocess) -> ImageFolder:
    if section.distractors is None:
        raise ConfigError(
            "evaluation.protocols: 'distractors' needs a folder of pictures that match nobody: set "
            "evaluation.distractors=/path/to/folder, or leave the protocol out"
        )
    if section.rerank or section.interactor:
        raise ConfigError(
            "evaluation.protocols: 'distractors' scores pictures as they are read; nothing re-ranks them, nobody is "
            "asked about them. Leave the protocol out, or evaluation.rerank and evaluation.interactor"
        )
    if section.gallery_texts:
        raise ConfigError(
            "evaluation.distractors: these pictures have no texts, which evaluation.gallery_texts="
            f"{section.gallery_texts!r} asks for on the gallery side; leave one of the two out"
        )
    return ImageFolder(section.distractors, preprocess)


def choosing(section: EvaluationSection) -> EvaluationSection:
    """What a checkpoint is chosen by: nothing is re-ranked, nobody asked, no distractors embedded after every epoch."""
    return replace(section, rerank=[], interactor=None, protocols=choosing_protocols(section))


def _questions(
    name: str,
    protocol: Protocol,
    queries: Queries,
    shown: list[ImageRecord],
    splits: tuple[str, ...],
    section: EvaluationSection,
) -> list[Question]:
    """One protocol: text-to-image, and image-to-text where asked for."""
    task = protocol.task(queries.records, shown)
    _require_task(name, task, len(queries), len(shown))
    rows = np.flatnonzero(task.asks_Q)
    group_Q = None if task.query_group_Q is None else task.query_group_Q[rows]
    captions = Side(rows, queries.pids[rows], queries.caption_ids[rows], group_Q)
    pids, ids = np.array([record.pid for record in shown]), np.array([record.image_id for record in shown])
    images = Side(np.arange(len(shown)), pids, ids, task.gallery_group_G)
    skip = section.skip_unmatched or protocol.skips_unmatched
    found = [Question(name, captions, images, True, splits, skip, protocol.distractors)]
    if section.both_directions and protocol.reversible:
        found.append(Question(f"{name}{IMAGE_TO_TEXT}", images, captions, False, splits, skip))
    return found


def _require_task(name: str, task: Task, queries: int, images: int) -> None:
    """Refuse what a plug-in's protocol returns if it does not fit the queries and images."""
    wrong = None
    if not isinstance(task, Task):
        wrong = f"returned {type(task).__name__}, expected a Task"
    elif not _is_array(task.asks_Q, queries) or task.asks_Q.dtype != bool:
        wrong = f"asks_Q is {_told(task.asks_Q)}, expected an array of bool of shape ({queries},)"
    else:
        groups = (("query_group_Q", task.query_group_Q, queries), ("gallery_group_G", task.gallery_group_G, images))
        for what, group, count in groups:
            if group is not None and not _is_array(group, count):
                wrong = f"{what} is {_told(group)}, expected an array of shape ({count},)"
        if (task.query_group_Q is None) != (task.gallery_group_G is None):
            wrong = "gives groups to one side alone, expected query_group_Q and gallery_group_G, or neither"
    if wrong:
        raise ConfigError(f"evaluation.protocols: {name!r}: {wrong}")


def _is_array(value: object, count: int) -> bool:
    return isinstance(value, np.ndarray) and value.shape == (count,)


def _told(value: object) -> str:
    return f"{value.dtype} of shape {value.shape}" if isinstance(value, np.ndarray) else type(value).__name__


def _require_matches(question: Question, split: str) -> None:
    ask, answer, what = question.ask, question.answer, f"the split {split!r} under the protocol {question.name!r}"
    try:
        kept = MatchTable(ask.pids, answer.pids, ask.groups, answer.groups).kept(ask.pids, skip_unmatched=question.skip)
    except DataError as error:
        raise DataError(f"{what}: {error}") from None
    if not len(kept):
        raise DataError(
            f"{what}: none of {len(ask.pids)} queries has a match in the gallery, so that nothing can be scored. Give "
            "the split captions and images of the same people, or leave the protocol out (evaluation.protocols); a run "
            "without a validation split has evaluation.selection='last'."
        )
