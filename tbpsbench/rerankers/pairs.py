"""Scores of a cross-encoder over the k best images of a query, joined with the similarities that chose them.

Shapes: Q queries, G gallery, K best images of a query.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

Join = Literal["replace", "add", "range"]
JOINS = ("replace", "add", "range")
REST = -100.0  # what the released code gives to images outside the k best
SHARE = 0.002  # of the similarity, in CMP's and APTM's evaluation


def best(score_QG: np.ndarray, k: int) -> np.ndarray:
    """(Q, K) the k best images of each query, best first; of equal similarities the earlier. All where k exceeds G."""
    return np.argsort(-score_QG, axis=1, kind="stable")[:, :k]


def join_pairs(score_QG: np.ndarray, best_QK: np.ndarray, pair_QK: np.ndarray, how: Join = "replace") -> np.ndarray:
    """(Q, G) float32 scores from similarities and from the cross-encoder's logits of the best pairs.

    Args:
        score_QG: similarities.
        best_QK: see `best`.
        pair_QK: the logit "they match" of these pairs.
        how: "replace": the logit alone, all others at -100 (ALBEF, RaSa). "add": logit plus similarity (BLIP). "range":
            others at the row's smallest logit, then both over their whole range to 0..1, and the similarity added with
            a share of 0.002, so that it orders the rest (APTM, CMP); a query's scores then depend on the others.
    """
    if how == "range":
        filled_QG = np.broadcast_to(pair_QK.min(axis=1, keepdims=True), score_QG.shape).copy()
        np.put_along_axis(filled_QG, best_QK, pair_QK, axis=1)
        return (_over_range(filled_QG) + SHARE * _over_range(score_QG)).astype(np.float32)
    found_QG = np.full(score_QG.shape, REST, np.float32)
    inside_QK = pair_QK + np.take_along_axis(score_QG, best_QK, axis=1) if how == "add" else pair_QK
    np.put_along_axis(found_QG, best_QK, inside_QK.astype(np.float32), axis=1)
    return found_QG


def _over_range(value_QG: np.ndarray) -> np.ndarray:
    low, high = value_QG.min(), value_QG.max()
    return (value_QG - low) / (high - low if high > low else 1)
