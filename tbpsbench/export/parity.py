"""Does an exported system say what the system says? On a split of a data set: vector by vector, and by its scores.

Shapes: N captions or images, D width of the joint embedding.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import torch
from torch import Tensor

from tbpsbench.config.schema import EvaluationSection
from tbpsbench.data.evaluation import EvaluationData
from tbpsbench.engine.evaluate import Rankings, embed_plan
from tbpsbench.engine.plan import choosing, plan_evaluation
from tbpsbench.metrics.leaks import TrainingTexts
from tbpsbench.metrics.result import flat
from tbpsbench.model.base import SearchModel
from tbpsbench.model.modes import evaluating
from tbpsbench.model.person_search import joint
from tbpsbench.vectors import Vectors

METRICS: list[dict[str, Any]] = [{"type": "RecallAtK"}, {"type": "MeanAP"}]


@dataclass(frozen=True)
class Limits:
    """What an export may lose.

    Attributes:
        least: smallest cosine of any vector with the system's own.
        mean: smallest mean of these cosines, of captions and of images.
        drop: most points of R@1 that may be lost; in float32 as many may be won.
    """

    least: float
    mean: float
    drop: float


# Cosines of int8 are those that TBPS-mSigLIP's exports must have (its own loses 1.9 points of R@1); the rest is ours.
# In float32 a near tie may be broken otherwise, and vectors of an index may come from either (`System.fingerprint`).
LIMITS = {
    "float32": Limits(0.99999, 0.99999, 0.05),
    "float16": Limits(0.99, 0.999, 0.5),
    "int8": Limits(0.90, 0.95, 2.0),
}


@dataclass(frozen=True)
class Parity:
    """How near an exported system is.

    Attributes:
        precision: of its graphs.
        data, split, queries, gallery: what was compared on, and how many captions and images.
        text_least, text_mean, image_least, image_mean: cosines with the system's own vectors.
        before, after: scores of the system and of the export, percent.
        problems: what is beyond the limits, as sentences.
    """

    precision: str
    data: str
    split: str
    queries: int
    gallery: int
    text_least: float
    text_mean: float
    image_least: float
    image_mean: float
    before: Mapping[str, float]
    after: Mapping[str, float]
    problems: tuple[str, ...] = ()

    def to_plain(self) -> dict[str, Any]:
        """As plain data."""
        plain = asdict(self)
        del plain["problems"]
        return plain

    def line(self) -> str:
        """One line for people."""
        scores = ", ".join(f"{name} {self.before[name]:.2f} -> {self.after[name]:.2f}" for name in self.before)
        return (
            f"{self.precision}: {scores}; least cosine of {self.queries} captions {self.text_least:.6f}, of "
            f"{self.gallery} images {self.image_least:.6f} ({self.data}, {self.split})"
        )


class Comparison:
    """A split, embedded once by the system.

    Args:
        model: the system's.
        data: on which to compare.
        split: "val", "test", ...
        section: the config's `evaluation`; its first protocol is used, without re-ranking or dialogue.
        training: see `evaluate`.

    Raises:
        DataError, LeakError: see `evaluate`.
    """

    def __init__(
        self,
        model: SearchModel,
        data: EvaluationData,
        split: str,
        section: EvaluationSection,
        training: TrainingTexts | None,
    ) -> None:
        self.data, self.split = data, split
        plain = choosing(section)
        self.section = replace(plain, protocols=plain.protocols[:1], both_directions=False, metrics=METRICS)
        self.plan = plan_evaluation(data, split, self.section, training)
        texts, images = self._embedded(model)
        self._texts, self._images = _joint(model, texts), _joint(model, _all(images))
        self._scores = self._ranked(model, texts, images)

    def with_export(self, model: SearchModel, precision: str, limits: Limits) -> Parity:
        """How near an exported model is."""
        texts, images = self._embedded(model)
        text_N = _cosines(self._texts, _joint(model, texts))
        image_N = _cosines(self._images, _joint(model, _all(images)))
        finite = bool(text_N.isfinite().all() and image_N.isfinite().all())
        after = self._ranked(model, texts, images) if finite else dict.fromkeys(self._scores, float("nan"))
        found = Parity(
            precision, self.data.name, self.split, len(text_N), len(image_N),
            float(text_N.min()), float(text_N.mean()), float(image_N.min()), float(image_N.mean()),
            self._scores, after,
        )  # fmt: skip
        return replace(found, problems=tuple(_problems(found, limits)))

    def _embedded(self, model: SearchModel) -> tuple[dict[str, Vectors], dict[str, dict[str, Vectors]]]:
        with torch.no_grad(), evaluating(model):
            return embed_plan(model, self.data, self.plan, self.section.batch_size)

    def _ranked(
        self, model: SearchModel, texts: Mapping[str, Vectors], images: Mapping[str, Mapping[str, Vectors]]
    ) -> dict[str, float]:
        rankings = Rankings(model, self.data, self.section, self.plan, texts, images)
        return flat({result.name: result for question in self.plan.questions for result in rankings.results(question)})


def _problems(found: Parity, limits: Limits) -> list[str]:
    problems, most = [], limits.drop + 1e-9  # differences of percentages are rounded
    for side in ("text", "image"):
        for kind, least in (("least", limits.least), ("mean", limits.mean)):
            cosine = getattr(found, f"{side}_{kind}")
            if not cosine >= least:  # nor where it is no number: float16 ends at 65,504
                problems.append(f"the {kind} cosine of the {side} side is {cosine:.6f}, at least {least} is wanted")
    for name in found.before:
        lost = found.before[name] - found.after[name]
        if name.endswith("R@1") and (lost > most or (found.precision == "float32" and -lost > most)):
            problems.append(f"{name} is {found.after[name]:.2f} in place of {found.before[name]:.2f}")
    return problems


def _all(galleries: Mapping[str, Mapping[str, Vectors]]) -> dict[str, Vectors]:
    """The images of all galleries, one after the other."""
    first = next(iter(galleries.values()))
    return {head: Vectors.join([part[head] for part in galleries.values()]) for head in first}


def _joint(model: SearchModel, heads: Mapping[str, Vectors]) -> Tensor:
    return joint(heads, model.head_weights)


def _cosines(one_ND: Tensor, other_ND: Tensor) -> Tensor:
    return torch.nn.functional.cosine_similarity(one_ND.double(), other_ND.double(), dim=1)
