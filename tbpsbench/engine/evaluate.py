"""One evaluation: embed, guard against leaks, rank exactly, score every protocol that was asked for.

Shapes: N images, Q queries, D width of the joint embedding.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tbpsbench.data.build import Data
from tbpsbench.data.train_set import QUERY
from tbpsbench.engine.embed import embed_captions, embed_images
from tbpsbench.errors import ConfigError, DataError
from tbpsbench.metrics.leaks import check_leaks
from tbpsbench.metrics.ranking import PositiveRanks, positive_ranks
from tbpsbench.metrics.result import Evaluation, Result, per_query_values, percent
from tbpsbench.metrics.tracks import track_of
from tbpsbench.model.person_search import PersonSearchModel, joint
from tbpsbench.types import Caption, ImageRecord


@torch.no_grad()
def evaluate(model: PersonSearchModel, data: Data, split: str, section: Mapping[str, Any]) -> Evaluation:
    """Evaluate a model on one split.

    Args:
        model: its training mode is restored afterwards.
        data: the run's data.
        split: "val" or "test" (or "val-carved").
        section: the config's `evaluation` with defaults.

    Raises:
        DataError: if the split is empty, a protocol lacks its images, or a query has no match.
        LeakError: if the leak guard refuses.
    """
    records = data.annotations.split(split)
    others = data.annotations.split(f"{split}-clothes") if "clothes-change" in section["protocols"] else []
    queries = data.queries(split)
    captions = [caption for record in records for caption in record.captions if caption.role == QUERY]
    training = data.training_captions()
    gallery_texts = data.gallery_texts([*records, *others])
    leaks = check_leaks(
        queries=captions,
        gallery_texts=gallery_texts,
        training=[caption for caption, _ in training],
        training_pids=[pid for _, pid in training],
        test_pids={record.pid for record in records},
        query_images=False,
        allow_leak=section["allow_leak"],
    )
    was_training = model.training
    model.eval()
    started = time.perf_counter()
    galleries = [data.gallery(split), *([data.gallery(f"{split}-clothes")] if others else [])]
    embedded = [embed_images(model, gallery, section["batch_size"], data.loader.num_workers) for gallery in galleries]
    images = {name: torch.cat([part[name] for part in embedded]) for name in embedded[0]}
    after_images = time.perf_counter()
    texts = embed_captions(model, queries, section["batch_size"])
    after_captions = time.perf_counter()
    model.train(was_training)
    context = _Context(model, records, others, captions, images, texts, section)
    results = {}
    for protocol in section["protocols"]:
        for result in context.score(protocol):
            results[result.name] = result
    return Evaluation(
        split,
        track_of(gallery_texts=gallery_texts or None),
        results,
        leaks,
        {
            "images_per_s": (len(records) + len(others)) / (after_images - started),
            "captions_per_s": len(captions) / (after_captions - after_images),
            "ranking_s": time.perf_counter() - after_captions,
        },
        index_bytes=4 * len(records) * sum(tensor.shape[1] for tensor in images.values()),
    )


@dataclass
class _Context:
    model: PersonSearchModel
    records: Sequence[ImageRecord]
    others: Sequence[ImageRecord]
    captions: Sequence[Caption]
    images: dict[str, Tensor]
    queries: dict[str, Tensor]
    section: Mapping[str, Any]

    def score(self, protocol: str) -> list[Result]:
        """Results of one protocol: text-to-image, and image-to-text where asked for."""
        by_image = {record.image_id: record for record in self.records}
        query_pids = np.array([by_image[caption.image_id].pid for caption in self.captions])
        gallery = [*self.records, *self.others] if protocol == "clothes-change" else list(self.records)
        gallery_pids = np.array([record.pid for record in gallery])
        groups = self._groups(protocol, by_image, gallery)
        keep = np.ones(len(self.captions), bool)
        if protocol == "clothes-change":
            if not self.others:
                raise DataError(
                    "evaluation.protocols: 'clothes-change' needs images of a second outfit, which this data set does "
                    "not have; leave it out (MiniPEDES has them)"
                )
            keep = np.isin(query_pids, [record.pid for record in self.others])
        rows = torch.from_numpy(np.flatnonzero(keep))
        ids = np.array([caption.caption_id for caption in self.captions])
        text = (query_pids[keep], groups[0][keep] if groups else None, ids[keep])
        image = (gallery_pids, groups[1] if groups else None, np.array([record.image_id for record in gallery]))
        queries = {name: tensor[rows] for name, tensor in self.queries.items()}
        images = {name: tensor[: len(gallery)] for name, tensor in self.images.items()}
        results = [self._result(protocol, queries, images, text, image)]
        if self.section["both_directions"] and protocol == "standard":
            results.append(self._result(f"{protocol} (image-to-text)", images, queries, image, text))
        return results

    def _groups(
        self, protocol: str, by_image: Mapping[int, ImageRecord], gallery: Sequence[ImageRecord]
    ) -> tuple[np.ndarray, np.ndarray] | None:
        """What leaves the gallery: items of the same identity and the same group as the query."""
        if protocol == "clothes-change":
            asked = np.array([str(by_image[caption.image_id].outfit) for caption in self.captions])
            return asked, np.array([str(record.outfit) for record in gallery])
        if protocol == "without-captioned-image":
            asked = np.array([caption.image_id for caption in self.captions])
            return asked, np.array([record.image_id for record in gallery])
        return None

    def _result(
        self, name: str, asking: dict[str, Tensor], answering: dict[str, Tensor], ask: Any, answer: Any
    ) -> Result:
        weights = self.model.head_weights
        ranks = self._rank(joint(asking, weights), joint(answering, weights), name, ask, answer)
        per_query = per_query_values(ranks, self.section["metrics"])
        heads = {}
        if len(weights) > 1:
            for head in weights:
                alone = self._rank(asking[head], answering[head], name, ask, answer)
                heads[head] = percent(per_query_values(alone, self.section["metrics"]))
        pids = np.asarray(ask[0])[ranks.query]
        return Result(
            name, percent(per_query), heads, per_query, ranks, pids, np.asarray(ask[2])[ranks.query],
            queries=len(ranks), gallery=len(answer[0]), identities=len(np.unique(pids)),
        )  # fmt: skip

    def _rank(self, asking: Tensor, answering: Tensor, name: str, ask: Any, answer: Any) -> PositiveRanks:
        return positive_ranks(
            asking,
            answering,
            ask[0],
            answer[0],
            ties=self.section["ties"],
            query_groups=ask[1],
            gallery_groups=answer[1],
            skip_unmatched=self.section["skip_unmatched"] or name == "without-captioned-image",
        )


def best_metric(section: Mapping[str, Any], scores: Mapping[str, float]) -> float:
    """The score that selects the checkpoint.

    Raises:
        ConfigError: if `evaluation.metric` names no score.
    """
    if section["metric"] not in scores:
        raise ConfigError(
            f"evaluation.metric: no score is called {section['metric']!r}; there are: {', '.join(scores)}"
        )
    return scores[section["metric"]]


def score_names(section: Mapping[str, Any]) -> dict[str, float]:
    """Keys that `Evaluation.flat` will have, without evaluating anything: a one-query ranking shows the columns."""
    one = np.zeros(1, np.int64)
    toy = PositiveRanks(one, np.array([0, 1]), one + 1, one, section["ties"], one, one[:0])
    columns = per_query_values(toy, section["metrics"])
    names = dict.fromkeys(columns, 0.0)
    for protocol in section["protocols"][1:]:
        names |= {f"{protocol}/{column}": 0.0 for column in columns}
    return names
