"""What other code is asked: the captions and pictures of a data set, from its annotations alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from tbpsbench.config.load import Config, apply_overrides
from tbpsbench.config.schema import EvaluationSection
from tbpsbench.data.eval_set import Queries
from tbpsbench.data.sources import Sources, open_sources
from tbpsbench.data.texts import records_of
from tbpsbench.engine.plan import Question, plan_questions, shown_splits
from tbpsbench.errors import ConfigError
from tbpsbench.system_files import require_sound
from tbpsbench.types import Caption, ImageRecord

# What is read of a config; the rest is about a model and its training, which are somebody else's here.
USED = ("entries", "plugins", "data.dataset", "data.captions", "evaluation")
# Keys of `evaluation` that no numbers from elsewhere depend on.
UNUSED = ("selection", "interval", "metric", "batch_size", "rerank", "interactor")
DISTRACTORS = "distractors"


@dataclass(frozen=True)
class Task:
    """Who asks and who answers.

    Attributes:
        sources: the data set's text files.
        captions: the config's `data.captions`, as a component.
        section: the config's `evaluation`.
        split: which is scored.
        queries: its captions.
        records: the images of every split that a protocol shows, the scored one first.
        questions: every ranking that is asked for.
        gallery_texts: texts that the gallery side used, by `evaluation.gallery_texts`.
        leaks: what the leak guard saw and `allow_leak` let pass.
        plugins: that the config wants.
    """

    sources: Sources
    captions: dict[str, Any]
    section: EvaluationSection
    split: str
    queries: Queries
    records: Mapping[str, list[ImageRecord]]
    questions: tuple[Question, ...]
    gallery_texts: list[Caption]
    leaks: list[str]
    plugins: tuple[str, ...] = ()

    @cached_property
    def images(self) -> list[ImageRecord]:
        """The images of all splits, one after the other: row n of what is given is about image n of these."""
        return [record for part in self.records.values() for record in part]

    def gallery_rows(self, question: Question) -> np.ndarray:
        """(G,) rows among `images` of a question's gallery, in its order."""
        first, start = {}, 0
        for name, part in self.records.items():
            first[name], start = start, start + len(part)
        return np.concatenate([first[name] + np.arange(len(self.records[name])) for name in question.splits])

    def config(self) -> dict[str, Any]:
        """What was asked, as a record keeps it."""
        section = {f.name: getattr(self.section, f.name) for f in fields(self.section) if f.name not in UNUSED}
        if section[DISTRACTORS] is None:
            del section[DISTRACTORS]
        return {"data": {"dataset": dict(self.sources.component), "captions": self.captions}, "evaluation": section}


def config_of(dataset: str, root: str | None, options: Iterable[str] = ()) -> Config:
    """The config of a data set that is named on the command line.

    Raises:
        ConfigError: if an override is wrong.
    """
    component = {"type": dataset} | ({} if root is None else {"root": root})
    config = Config(Path("--dataset"), {"data": {"dataset": component}})
    apply_overrides(config, options)
    return config


def open_task(config: Config, split: str, distractors: str | None = None) -> Task:
    """What a config asks.

    Args:
        config: only its data set, its captions and its `evaluation` are read.
        split: which is scored.
        distractors: file with features of pictures that match nobody; the protocol "distractors" is then asked, too.

    Raises:
        ConfigError, DataError: if the config or the data are wrong, or if something is asked that only a model can do.
        LeakError: if the leak guard refuses.
    """
    _require_scorable(config)
    data = config.values["data"]
    section = _section(config.values.get("evaluation", {}), distractors)
    captions = data.get("captions", "human")
    sources = open_sources(data["dataset"], captions, section.gallery_texts)
    queries = Queries(sources.annotations, split)
    records = {
        name: records_of(sources.annotations, name) for name in shown_splits(sources.annotations, split, section)
    }
    questions, gallery_texts, leaks = plan_questions(sources, queries, records, split, section)
    named = {"type": captions} if isinstance(captions, str) else dict(captions)
    plugins = tuple(config.values.get("plugins", ()))
    return Task(sources, named, section, split, queries, records, questions, gallery_texts, leaks, plugins)


def _require_scorable(config: Config) -> None:
    require_sound(config, USED)
    data = config.values.get("data")
    if not isinstance(data, Mapping) or "dataset" not in data:
        raise ConfigError(
            f"{config.path}: data.dataset is missing: nothing says whose captions and pictures are scored"
        )


def _section(asked: Mapping[str, Any], distractors: str | None) -> EvaluationSection:
    section = EvaluationSection(**asked)
    if section.rerank:
        raise ConfigError(
            "evaluation.rerank: numbers from elsewhere are ranked as they are; leave it out, or give similarities that "
            "are re-ranked already"
        )
    if section.interactor:
        raise ConfigError(
            "evaluation.interactor: nobody can talk about numbers from elsewhere, as new queries cannot be embedded; "
            "leave it out"
        )
    protocols = tuple(section.protocols)
    if distractors is not None and DISTRACTORS not in protocols:
        protocols = (*protocols, DISTRACTORS)
    if distractors is None and DISTRACTORS in protocols:
        raise ConfigError(
            "evaluation.protocols: 'distractors' needs the features of pictures that match nobody: name their file "
            "with --distractors FILE.npy, or leave the protocol out"
        )
    return replace(section, protocols=protocols, distractors=distractors)
