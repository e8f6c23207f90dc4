"""Does disentangling work? Probes from named features to every attribute, and the features' dependence on each other.

The persons that probes are fitted on and scored on are persons that the model was not trained on. Fitting on the
training split would give more persons, but their features are what the model was fitted to: they hold a person the way
a name does, and a probe learns to read names, which says nothing about the features of anybody else. The test split
alone is small (51 persons of MiniPEDES), and an identity attribute counts once for each. MiniPEDES has a third way,
which no photographed data set has: `population` draws new persons from another seed, as many as the data set has.

Beside the features a control is probed that knows nothing but how the picture was taken (view, place, light, what
stands in the way). What it scores is no knowledge of the person.

Shapes: N images, D width of a feature, P persons, S bootstrap draws.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import combinations
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tbpsbench.config.settings import Settings
from tbpsbench.data.evaluation import EvaluationData
from tbpsbench.engine.embed import embed_features
from tbpsbench.engine.trained import evaluation_of
from tbpsbench.errors import CheckpointError, ConfigError, DataError
from tbpsbench.model.base import SearchModel
from tbpsbench.model.modes import evaluating
from tbpsbench.probes.dependence import PERMUTATIONS, dependence
from tbpsbench.probes.labels import SIDES, Attribute, attributes_of, shot_of
from tbpsbench.probes.linear import STRENGTHS, Outcome, above_chance, draws, interval, probe
from tbpsbench.system import System
from tbpsbench.types import ImageRecord

USUAL = ("identity", "clothing")
CONTROL = "shot"  # beside the features; no feature of a model is called so


def usual_features(model: SearchModel) -> list[str]:
    """What is worth probing in any model: both halves where it makes them, and every retrieval embedding."""
    halves = [name for name in USUAL if name in model.dims]
    return [*halves, *(f"heads.{name}.image" for name in model.heads)]


def population(system: System, asked: Settings, seed: int) -> EvaluationData:
    """New persons of a system's MiniPEDES, drawn from another seed on first use.

    Args:
        system: whose features are to be probed.
        asked: names the data set; its seed is replaced.
        seed: of the new persons.

    Raises:
        ConfigError: if the data are not MiniPEDES, or the seed is one that the model was trained with.
    """
    dataset = asked.data.dataset
    if dataset["type"] != "MiniPEDES":
        raise ConfigError(f"new persons can only be drawn for MiniPEDES, not for {dataset['type']}")
    if seed == dataset.get("seed", 0):
        raise ConfigError(f"population {seed} is the one that the model was trained on: give another number")
    data = evaluation_of(system, replace(asked, data=replace(asked.data, dataset={**dataset, "seed": seed})))
    learnt = [] if system.trained_on is None else [texts.population for texts in system.trained_on.texts.whole()]
    if data.sources.population in learnt:
        raise ConfigError(
            f"population {seed} is one that the model, or what its training started from, was trained on: give another"
        )
    return data


def splits_of(data: EvaluationData, names: Sequence[str]) -> list[str]:
    """The splits asked for, each with that of its persons' second outfits where the data set has one.

    Raises:
        DataError: if there is no such split.
    """
    known = data.annotations.splits()
    for name in names:
        if name not in known:
            raise DataError(f"{data.annotations.path}: no split {name!r}; there are: {', '.join(known)}")
    return [name for name in known if name in names or name.removesuffix("-clothes") in names]


@torch.no_grad()
def extract(
    model: SearchModel, data: EvaluationData, splits: Sequence[str], names: Sequence[str], batch_size: int
) -> tuple[list[ImageRecord], dict[str, Tensor]]:
    """Images of some splits and their features: name -> (N, D) float32, one row per image.

    Raises:
        ConfigError: if the model has no such feature.
        CheckpointError: if a feature is not finite.
    """
    with evaluating(model):
        parts = [embed_features(model, data.gallery(split), names, batch_size, data.num_workers) for split in splits]
    features = {name: torch.cat([part[name] for part in parts]) for name in names}
    for name, tensor in features.items():
        if not tensor.isfinite().all():
            raise CheckpointError(f"the feature {name!r} is not finite in some images: is the checkpoint damaged?")
    return [record for split in splits for record in data.annotations.split(split)], features


def measure(
    records: Sequence[ImageRecord],
    features: Mapping[str, Tensor],
    *,
    folds: int = 5,
    strengths: Sequence[float] = STRENGTHS,
    permutations: int = PERMUTATIONS,
) -> dict[str, Any]:
    """Probe every feature for every attribute, and measure the dependence of every pair of features.

    Args:
        records: N images with attributes.
        features: name -> (N, D).
        folds: of the cross-validation over persons; a value of an attribute needs as many persons.
        strengths: see `linear.probe`.
        permutations: see `dependence`.

    Returns:
        Plain data: "attributes" (of each: side, classes, chance, and by feature accuracy, interval_95, above_chance),
        "not_probed" (name -> reason), "means" (by feature and side), "dependence" (of each pair), and counts. The
        control stands among the features of "attributes" and "means" as "shot".

    Raises:
        DataError: if the images have no attributes, or are of too few persons to probe for any.
        ValueError: for fewer than two folds.
    """
    if folds < 2:
        raise ValueError(f"cross-validation needs at least 2 folds, got {folds}")
    attributes, not_probed = attributes_of(records, min_persons=folds)
    pids, person_N = np.unique([record.pid for record in records], return_inverse=True)
    if not attributes:
        raise DataError(
            f"{len(pids)} persons are too few for {folds} folds: no attribute has two values with {folds} persons "
            "each. Take more splits, a larger population, or fewer folds."
        )
    arrays = {name: tensor.double().numpy() for name, tensor in features.items()}
    arrays[CONTROL] = shot_of(records)
    outcomes = {
        (attribute.name, name): probe(array, attribute, person_N, folds=folds, strengths=strengths)
        for attribute in attributes
        for name, array in arrays.items()
    }
    times_SP = draws(len(pids))
    pairs = [
        {"x": x, "y": y, **dependence(features[x], features[y], person_N, permutations=permutations)}
        for x, y in combinations(features, 2)
    ]
    return {
        "persons": len(pids),
        "images": len(records),
        "folds": folds,
        "strengths": list(strengths),
        "permutations": permutations,
        "features": {name: {"width": tensor.shape[1]} for name, tensor in features.items()},
        "attributes": {a.name: _attribute(a, outcomes, list(arrays), person_N, times_SP) for a in attributes},
        "not_probed": not_probed,
        "means": {name: _means(name, attributes, outcomes, times_SP) for name in arrays},
        "dependence": pairs,
    }


def _attribute(
    attribute: Attribute,
    outcomes: Mapping[tuple[str, str], Outcome],
    names: Sequence[str],
    person_N: np.ndarray,
    times_SP: np.ndarray,
) -> dict[str, Any]:
    found = {}
    for name in names:
        outcome = outcomes[attribute.name, name]
        found[name] = {
            "accuracy": outcome.accuracy,
            "interval_95": interval(outcome.resampled(times_SP)),
            "above_chance": above_chance(outcome.accuracy, attribute.chance),
        }
    return {
        "side": attribute.side,
        "classes": dict(zip(attribute.classes, attribute.persons, strict=True)),
        "left_out": dict(attribute.left_out),
        "images": len(attribute.row_M),
        "persons": len(np.unique(person_N[attribute.row_M])),
        "chance": attribute.chance,
        "features": found,
    }


def _means(
    name: str,
    attributes: Sequence[Attribute],
    outcomes: Mapping[tuple[str, str], Outcome],
    times_SP: np.ndarray,
) -> dict[str, Any]:
    """Means over the attributes of a side; their intervals come from the same draws of persons for all attributes."""
    found: dict[str, Any] = {}
    for side in SIDES:
        own = [(a, outcomes[a.name, name]) for a in attributes if a.side == side]
        if own:
            resampled = [above_chance(outcome.resampled(times_SP), a.chance) for a, outcome in own]
            found[side] = {
                "attributes": len(own),
                "accuracy": float(np.mean([outcome.accuracy for _, outcome in own])),
                "chance": float(np.mean([a.chance for a, _ in own])),
                "above_chance": float(np.mean([above_chance(outcome.accuracy, a.chance) for a, outcome in own])),
                "interval_95": interval(np.mean(resampled, axis=0)),
            }
    return found
