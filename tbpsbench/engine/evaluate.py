"""One evaluation: embed, guard against leaks, rank exactly, score every protocol that was asked for.

Shapes: N items of a side, D width of an embedding.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import torch

from tbpsbench.config.schema import EvaluationSection
from tbpsbench.data.evaluation import EvaluationData
from tbpsbench.engine.embed import embed_captions, embed_folder, embed_images
from tbpsbench.engine.interacting import Found, build_interactor, interacted
from tbpsbench.engine.plan import Plan, Question, Side, plan_evaluation
from tbpsbench.engine.reranking import Asked, build_rerankers, reranked
from tbpsbench.engine.scoring import Kind, Scored, ranks_of
from tbpsbench.errors import ConfigError
from tbpsbench.interaction.base import Interactor
from tbpsbench.metrics.leaks import TrainingTexts
from tbpsbench.metrics.ranking import PositiveRanks
from tbpsbench.metrics.result import Evaluation, Result, per_query_values, percent
from tbpsbench.metrics.tracks import track_of
from tbpsbench.model.base import SearchModel
from tbpsbench.model.modes import evaluating
from tbpsbench.protocols.base import BEFORE, BEFORE_INTERACTION, ablation
from tbpsbench.vectors import Vectors


@torch.no_grad()
def evaluate(
    model: SearchModel,
    data: EvaluationData,
    split: str,
    section: EvaluationSection,
    training: TrainingTexts | None = None,
) -> Evaluation:
    """Evaluate a model on one split.

    Args:
        model: its training mode is restored afterwards.
        data: queries and galleries.
        split: "val" or "test" (or "val-carved").
        section: the config's `evaluation`.
        training: the texts that the model was trained on; None where that is not known.

    Raises:
        DataError: if the split is empty, a protocol lacks its images, a query has no match, or an embedding is not
            finite.
        LeakError: if the leak guard refuses.
    """
    plan = plan_evaluation(data, split, section, training)
    with evaluating(model):
        started = time.perf_counter()
        images = {
            name: embed_images(model, gallery, section.batch_size, data.num_workers)
            for name, gallery in plan.galleries.items()
        }
        after_images = time.perf_counter()
        texts = embed_captions(model, plan.queries, section.batch_size)
        after_captions = time.perf_counter()
        rankings = Rankings(model, data, section, plan, texts, images)
        results = {result.name: result for question in plan.questions for result in rankings.results(question)}
    return Evaluation(
        split,
        track_of(
            gallery_texts=plan.gallery_texts or None,
            reranker=bool(section.rerank),
            answerer=None if rankings.interactor is None else rankings.interactor.answerer,
        ),
        results,
        plan.leaks,
        {
            "images_per_s": sum(map(len, plan.galleries.values())) / (after_images - started),
            "captions_per_s": len(plan.queries) / (after_captions - after_images),
            "ranking_s": time.perf_counter() - after_captions,
        },
        index_bytes=4 * sum(vectors.values.numel() for vectors in images[split].values()),
        rerank=[
            {"component": dict(component), "transductive": reranker.transductive}
            for component, reranker in zip(section.rerank, build_rerankers(section.rerank), strict=True)
        ],
        rerank_cost=rankings.costs,
        interaction=rankings.about_interaction(),
        compared="cosines" if model.cosine else "scores",
        distractors=None if plan.distractors is None else plan.distractors.about(),
    )


def embed_plan(
    model: SearchModel, data: EvaluationData, plan: Plan, batch_size: int
) -> tuple[dict[str, Vectors], dict[str, dict[str, Vectors]]]:
    """The captions of a plan, and the images of each of its galleries by split."""
    images = {name: embed_images(model, shown, batch_size, data.num_workers) for name, shown in plan.galleries.items()}
    return embed_captions(model, plan.queries, batch_size), images


@dataclass
class Rankings:
    """From embeddings to the results of every question."""

    model: SearchModel
    data: EvaluationData
    section: EvaluationSection
    plan: Plan
    texts: Mapping[str, Vectors]
    images: Mapping[str, Mapping[str, Vectors]]
    costs: dict[str, dict[str, float]] = field(default_factory=dict)
    found: dict[str, Found] = field(default_factory=dict)
    _galleries: dict[tuple[str, ...], Mapping[str, Vectors]] = field(default_factory=dict)

    @cached_property
    def interactor(self) -> Interactor | None:
        """Who talks about the queries, if anybody."""
        component = self.section.interactor
        return None if component is None else build_interactor(component, self.data)

    def about_interaction(self) -> dict[str, Any] | None:
        """What a record says of it."""
        if self.interactor is None:
            return None
        return {
            "component": dict(self.section.interactor or {}),
            "answerer": self.interactor.answerer,
            "simulated": self.interactor.simulated,
            "clients": self.interactor.describe(),
            "protocols": {name: found.report for name, found in self.found.items()},
        }

    def results(self, question: Question) -> Iterator[Result]:
        """One, or several where the images are ordered anew: after and before, and beside an interaction more."""
        ask, answer = self._sides(question)
        if question.distractors:
            yield self._among_distractors(question, ask, answer)
            return
        plain = self._plain(question, ask, answer)
        if not (self.section.rerank or self.interactor) or not question.captions_ask:
            yield plain
            return
        asked = Asked(self.plan.queries, question.ask.rows, [self.plan.galleries[part] for part in question.splits])
        if self.interactor is not None:
            found = self.found[question.name] = interacted(
                self.model, self.data, asked, ask, answer, self.interactor, self.section.ties,
                batch_size=self.section.batch_size, skip_unmatched=question.skip,
            )  # fmt: skip
            yield result_of(question, found.ranks, self.section)
            yield replace(plain, name=f"{question.name}{BEFORE_INTERACTION}")
            for name, ranks in found.ablations.items():
                yield replace(result_of(question, ranks, self.section), name=f"{question.name}{ablation(name)}")
            return
        ranks, self.costs[question.name] = reranked(
            self.model, self.data, asked, ask, answer, build_rerankers(self.section.rerank), self.section.ties,
            batch_size=self.section.batch_size, skip_unmatched=question.skip,
        )  # fmt: skip
        yield result_of(question, ranks, self.section)
        yield replace(plain, name=f"{question.name}{BEFORE}")

    def _sides(self, question: Question) -> tuple[Scored, Scored]:
        if question.splits not in self._galleries:
            self._galleries[question.splits] = {
                head: Vectors.join([self.images[part][head] for part in question.splits]) for head in self.texts
            }
        images = self._galleries[question.splits]
        if question.captions_ask:
            return _scored("text", self.texts, question.ask), _scored("image", images, question.answer)
        return _scored("image", images, question.ask), _scored("text", self.texts, question.answer)

    def _plain(self, question: Question, ask: Scored, answer: Scored) -> Result:
        def rank(head: str | None = None) -> PositiveRanks:
            return ranks_of(self.model, ask, answer, self.section.ties, skip_unmatched=question.skip, head=head)

        ranks, single = rank(), self.model.heads if len(self.model.heads) > 1 else ()
        heads = {head: percent(per_query_values(rank(head), self.section.metrics)) for head in single}
        return result_of(question, ranks, self.section, heads)

    def _among_distractors(self, question: Question, ask: Scored, answer: Scored) -> Result:
        folder = self.plan.distractors
        assert folder is not None
        parts = embed_folder(self.model, folder, self.section.batch_size, self.data.num_workers)
        ranks = ranks_of(self.model, ask, answer, self.section.ties, skip_unmatched=question.skip, distractors=parts)
        return replace(result_of(question, ranks, self.section), gallery=len(answer) + len(folder))


def result_of(
    question: Question,
    ranks: PositiveRanks,
    section: EvaluationSection,
    heads: Mapping[str, dict[str, float]] | None = None,
) -> Result:
    """The scores that follow from ranks."""
    ask, per_query = question.ask, per_query_values(ranks, section.metrics)
    pids = ask.pids[ranks.query]
    return Result(
        question.name, percent(per_query), dict(heads or {}), per_query, ranks, pids, ask.ids[ranks.query],
        queries=len(ranks), gallery=len(question.answer.pids), identities=len(np.unique(pids)),
    )  # fmt: skip


def _scored(kind: Kind, heads: Mapping[str, Vectors], side: Side) -> Scored:
    picked = torch.from_numpy(side.rows)
    chosen = {head: rows if len(side.rows) == len(rows) else rows[picked] for head, rows in heads.items()}
    return Scored(kind, chosen, side.pids, side.groups)


def best_metric(section: EvaluationSection, scores: Mapping[str, float]) -> float:
    """The score that selects the checkpoint.

    Raises:
        ConfigError: if `evaluation.metric` names no score.
    """
    if section.metric not in scores:
        raise ConfigError(f"evaluation.metric: no score is called {section.metric!r}; there are: {', '.join(scores)}")
    return scores[section.metric]
