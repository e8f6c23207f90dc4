"""Linear probes: what a linear classifier reads of an attribute from a feature, in persons it has not seen.

Persons, not images, are the unit everywhere. Folds are made of whole persons, or a probe would recognise the person and
recall the attribute. Every person counts as much as any other, however many images there are of them.

Shapes: N images, M images that show an attribute, D width of a feature, P persons, K classes, S bootstrap draws.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from tbpsbench.probes.labels import Attribute

# Inverse strengths of regularisation that are tried; the features differ in width, and no single one suits them all.
STRENGTHS = (0.001, 0.01, 0.1, 1.0)
MAX_ITER = 1000

Score = TypeVar("Score", float, np.ndarray)


@dataclass(frozen=True)
class Outcome:
    """How a probe answered, by person and class; scores and intervals follow from it.

    Attributes:
        right_PK: share of a person's images of a class that were answered right, 0 where there are none.
        asked_PK: 1.0 where a person has images of a class.
    """

    right_PK: np.ndarray
    asked_PK: np.ndarray

    @property
    def accuracy(self) -> float:
        """Balanced accuracy: the mean over classes of the mean over persons, 0..1."""
        return float((self.right_PK.sum(0) / self.asked_PK.sum(0)).mean())

    def resampled(self, times_SP: np.ndarray) -> np.ndarray:
        """(S,) balanced accuracy where person p counts times_SP[s, p] times; a class that a draw lacks is left out.

        NaN where a draw lacks all classes.
        """
        asked_SK = times_SP @ self.asked_PK
        share_SK = (times_SP @ self.right_PK) / np.where(asked_SK > 0, asked_SK, 1)
        classes_S = (asked_SK > 0).sum(1)
        return np.where(classes_S > 0, share_SK.sum(1) / np.maximum(classes_S, 1), np.nan)


def above_chance(accuracy: Score, chance: float) -> Score:
    """How far accuracy has come from chance (0) to perfect (1); attributes of few and of many classes compare."""
    return (accuracy - chance) / (1 - chance)  # type: ignore[return-value]


def draws(persons: int, number: int = 1000, seed: int = 0) -> np.ndarray:
    """(S, P) how often each person occurs when as many persons as there are are drawn with replacement."""
    generator = np.random.default_rng(seed)
    return generator.multinomial(persons, np.full(persons, 1 / persons), size=number).astype(np.float64)


def interval(value_S: np.ndarray) -> list[float]:
    """The middle 95 % of resampled values, without NaN."""
    low, high = np.nanquantile(value_S, [0.025, 0.975])
    return [float(low), float(high)]


def probe(
    feature_ND: np.ndarray,
    attribute: Attribute,
    person_N: np.ndarray,
    *,
    folds: int = 5,
    strengths: Sequence[float] = STRENGTHS,
) -> Outcome:
    """Fit a probe on all but one fold of the persons, ask it about that fold, for every fold.

    Logistic regression on standardised features. Its regularisation is chosen in each fold by holding out one fold of
    the persons it is fitted on, so that nothing is chosen on what is scored. Nothing is random.

    Args:
        feature_ND: (N, D) finite.
        attribute: what is asked; every class has at least `folds` persons.
        person_N: (N,) 0..P-1, the person in each image.
        folds: number of folds, at least 2.
        strengths: inverse regularisations to choose from; one is taken as it is.

    Returns:
        The answers to all images that show the attribute.
    """
    x_MD, y_M, person_M = feature_ND[attribute.row_M], attribute.label_M, person_N[attribute.row_M]
    answer_M = np.full(len(y_M), -1)
    for fitted, asked in _folds(y_M, person_M, folds):
        strength = strengths[0]
        if len(strengths) > 1 and len(np.unique(person_M[fitted])) > 1:
            inner = _folds(y_M[fitted], person_M[fitted], folds)[0]
            strength = _best(x_MD[fitted], y_M[fitted], person_M[fitted], inner, strengths)
        answer_M[asked] = _answers(x_MD, y_M, person_M, fitted, asked, strength)
    return tally(answer_M, y_M, person_M, persons=int(person_N.max()) + 1, classes=len(attribute.classes))


def tally(answer_M: np.ndarray, label_M: np.ndarray, person_M: np.ndarray, *, persons: int, classes: int) -> Outcome:
    """Count answers by person and class."""
    right_PK, asked_PK = np.zeros((persons, classes)), np.zeros((persons, classes))
    np.add.at(asked_PK, (person_M, label_M), 1.0)
    np.add.at(right_PK, (person_M, label_M), (answer_M == label_M).astype(np.float64))
    return Outcome(right_PK / np.maximum(asked_PK, 1), np.minimum(asked_PK, 1))


def _folds(label_M: np.ndarray, person_M: np.ndarray, folds: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """(rows fitted on, rows asked about): persons sorted by their first label and dealt out in turn.

    scikit-learn's StratifiedGroupKFold refuses small classes and may leave folds empty.
    """
    _, first_P, code_M = np.unique(person_M, return_index=True, return_inverse=True)
    fold_P = np.empty(len(first_P), np.int64)
    fold_P[np.argsort(label_M[first_P], kind="stable")] = np.arange(len(first_P)) % folds
    fold_M = fold_P[code_M]
    return [(np.flatnonzero(fold_M != fold), np.flatnonzero(fold_M == fold)) for fold in range(folds)]


def _best(
    x_MD: np.ndarray,
    y_M: np.ndarray,
    person_M: np.ndarray,
    fold: tuple[np.ndarray, np.ndarray],
    strengths: Sequence[float],
) -> float:
    """The strength with the best balanced accuracy on one held-out fold; among equals the most regularised."""
    fitted, asked = fold
    found = {}
    for strength in sorted(strengths):
        answer_M = _answers(x_MD, y_M, person_M, fitted, asked, strength)
        outcome = tally(answer_M, y_M[asked], person_M[asked], persons=int(person_M.max()) + 1, classes=y_M.max() + 1)
        shown = outcome.asked_PK.sum(0) > 0
        found[strength] = Outcome(outcome.right_PK[:, shown], outcome.asked_PK[:, shown]).accuracy
    return max(found, key=lambda strength: found[strength])


def _answers(
    x_MD: np.ndarray, y_M: np.ndarray, person_M: np.ndarray, fitted: np.ndarray, asked: np.ndarray, strength: float
) -> np.ndarray:
    """Fit on some rows, answer others; what cannot be fitted is answered by the one class there is."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    if len(np.unique(y_M[fitted])) < 2:
        return np.full(len(asked), y_M[fitted][0])
    pipeline = make_pipeline(StandardScaler(), LogisticRegression(C=strength, max_iter=MAX_ITER))
    weight = _weights(y_M[fitted], person_M[fitted])
    pipeline.fit(x_MD[fitted], y_M[fitted], logisticregression__sample_weight=weight)
    return np.asarray(pipeline.predict(x_MD[asked]))


def _weights(label_M: np.ndarray, person_M: np.ndarray) -> np.ndarray:
    """Weights that make the fit count as the score does: classes alike, in a class persons alike, in sum M."""
    _, cell_M, size = np.unique(np.stack([label_M, person_M]), axis=1, return_inverse=True, return_counts=True)
    weight_M = 1.0 / size[cell_M]
    _, class_M = np.unique(label_M, return_inverse=True)
    total_K = np.bincount(class_M, weight_M)
    return np.asarray(weight_M / total_K[class_M] * len(label_M) / len(total_K))
