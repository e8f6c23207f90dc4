"""Exact scores of numbers from elsewhere, and their record: its ranks can be checked, the training behind it cannot."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from tbpsbench.engine.evaluate import result_of
from tbpsbench.errors import ConfigError
from tbpsbench.external.features import DistractorFile, Features
from tbpsbench.external.given import Given
from tbpsbench.external.task import Task
from tbpsbench.metrics.result import Evaluation, Result
from tbpsbench.metrics.tracks import track_of
from tbpsbench.reading import given_path
from tbpsbench.records.badges import EXTERNAL
from tbpsbench.records.make import make_record
from tbpsbench.records.schema import NAME
from tbpsbench.records.shape import misfits

UNKNOWN = "unknown"


def require_label(label: str, what: str) -> None:
    """A name as a record and a board can show it.

    Raises:
        ConfigError: if it is none.
    """
    if problem := next(misfits(label, NAME, what), None):
        raise ConfigError(" ".join(problem))


def score(given: Given, task: Task) -> tuple[Evaluation, Task]:
    """Rank and score what is given.

    Args:
        given: in the order of the task.
        task: who asks and answers.

    Returns:
        What was found, and the task with what could be scored exactly (see `Given.exact`).

    Raises:
        ConfigError: if something is asked that what is given cannot answer.
        DataError: if distractors cannot be read, or do not fit.
    """
    task = replace(task, section=given.exact(task))
    distractors = _distractors(given, task)
    started = time.perf_counter()
    results: dict[str, Result] = {}
    for question in task.questions:
        asked = question, task.gallery_rows(question), task.section.ties
        if question.distractors and distractors is not None and isinstance(given, Features):
            result = result_of(question, given.ranks(*asked, distractors.parts()), task.section)
            results[question.name] = replace(result, gallery=result.gallery + distractors.count)
        else:
            results[question.name] = result_of(question, given.ranks(*asked), task.section)
    evaluation = Evaluation(
        task.split,
        track_of(gallery_texts=task.gallery_texts or None, reranker=not given.two_towers),
        results,
        task.leaks,
        {"ranking_s": time.perf_counter() - started},
        index_bytes=given.index_bytes,
        distractors=None if distractors is None else distractors.about(),
    )
    return evaluation, task


def _distractors(given: Given, task: Task) -> DistractorFile | None:
    if task.section.distractors is None:
        return None
    if not isinstance(given, Features):
        raise ConfigError(
            f"--distractors: goes with features alone; {given.kind} say nothing about pictures that are not among them"
        )
    if task.section.gallery_texts:
        raise ConfigError(
            "--distractors: these pictures have no texts, which evaluation.gallery_texts="
            f"{task.section.gallery_texts!r} asks for on the gallery side; leave one of the two out"
        )
    return DistractorFile(given_path(task.section.distractors), given)


def external_record(
    given: Given,
    task: Task,
    evaluation: Evaluation,
    *,
    name: str,
    file: Path,
    seed: int = 0,
    trained_on: str | None = None,
) -> tuple[dict[str, Any], bytes]:
    """The record of numbers from elsewhere, and its evidence.

    Args:
        given: what was scored.
        task, evaluation: as `score` returned them.
        name: what boards call the system.
        file: that was scored; its hash is kept.
        seed: of the training, as its authors say.
        trained_on: the training data, as its authors say; None where that is not known.
    """
    config = {
        **task.config(),
        "model": {"type": EXTERNAL, "given": given.kind, **given.settings()},
        "seed": seed,
        "plugins": list(task.plugins),
        "name": name,
    }
    return make_record(
        name=name,
        config=config,
        checkpoint=file,
        data=task.sources.name,
        provenance=task.sources.provenance() | {"tokenizer_sha256": None},
        text_length=None,
        evaluation=evaluation,
        selection={"rule": "given"},
        cost={},
        trained_on=trained_on or UNKNOWN,
        status=EXTERNAL,
        protocol=given.protocol(),
    )
