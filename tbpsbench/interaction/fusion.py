"""MTI's arithmetic on arrays (CTGI, section 3.3; ICL, eq. 6): who is shown, who is accepted, and the similarity after.

The released code of ICL and CONQUER gives the same numbers (tests/interaction/test_golden.py).

Shapes: G gallery images, B queries, K candidates. `_BG` means (B, G).
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from tbpsbench.metrics.selection import reached

AnchorMode = Literal["hard", "soft"]
Scale = Literal["raw", "minmax", "softmax"]
Gate = Literal["ctgi", "icl"]
Floats = np.ndarray


def candidates(score_BG: Floats, k: int) -> np.ndarray:
    """(B, K) positions of the k highest scores, best first; equal scores in the order of the gallery."""
    k = min(k, score_BG.shape[1])
    if k == score_BG.shape[1]:
        return np.argsort(-score_BG, axis=1, kind="stable")
    floor_B = reached(score_BG, k)
    found = np.empty((len(score_BG), k), np.int64)
    for row, (score_G, floor) in enumerate(zip(score_BG, floor_B, strict=True)):
        near = np.flatnonzero(score_G >= floor)
        found[row] = near[np.argsort(-score_G[near], kind="stable")[:k]]
    return found


def confidence(score_K: Floats, lowest: float, scale: Scale, temperature: float = 0.05) -> np.float32:
    """How sure a search is of its first candidate, on the scale that `xi` is given in.

    Args:
        score_K: of the candidates, best first.
        lowest: score of the whole gallery.
        scale: "raw", the similarity itself; "minmax", between the gallery's lowest (0) and highest (1), so that the
            first is always sure and the judge alone decides; "softmax", the share of the first among the candidates.
        temperature: of the softmax.
    """
    first = np.float32(score_K[0])
    if scale == "raw":
        return first
    if scale == "minmax":
        return np.float32(1.0 if first > lowest else 0.0)
    weight_K = np.exp((np.asarray(score_K, np.float64) - float(first)) / temperature)
    return np.float32(1.0 / weight_K.sum())


def accepts(gate: Gate, number: int, *, yes: bool, earlier_yes: bool, sure: float, xi: float) -> bool:
    """Whether a judged candidate becomes the anchor.

    Args:
        gate: "ctgi": the first yes. "icl": the first candidate on a yes while the search is surer than xi, a later one
            on the first yes while it is not.
        number: of the candidate, from 0.
        yes: the judge's verdict; `earlier_yes`: whether it said yes to a candidate before.
        sure: see `confidence`; always of the first candidate.
        xi: is rounded to float32, as the similarities are.
    """
    if not yes or gate == "ctgi":
        return yes
    over = bool(np.float32(sure) > np.float32(xi))
    return over if number == 0 else not earlier_yes and not over


def fused(base_BG: Floats, refined_BG: Floats, anchor_B: np.ndarray, lam: float, mode: AnchorMode) -> Floats:
    """Similarity after an interaction: lam * base + (1 - lam) * refined, the anchor set to 1; float32.

    Args:
        base_BG: of the query as it was asked.
        refined_BG: of the refined query; the base where there is none.
        anchor_B: position of the anchor, -1 for none.
        lam: weight of the base.
        mode: "hard" sets the anchor's final similarity to 1 (CTGI); "soft" that of the refined query, before the mix
            (ICL), so that the anchor may stay below others.

    Returns:
        New arrays; rows without an anchor whose refined query is the base are the base to the last bit.
    """
    base_BG, refined_BG = np.asarray(base_BG, np.float32), np.array(refined_BG, np.float32)
    same_B = (anchor_B < 0) & (refined_BG == base_BG).all(axis=1)
    rows = np.flatnonzero(anchor_B >= 0)
    if mode == "soft":
        refined_BG[rows, anchor_B[rows]] = 1.0
    found_BG = base_BG * np.float32(lam) + np.float32(1.0 - lam) * refined_BG
    if mode == "hard":
        found_BG[rows, anchor_B[rows]] = 1.0
    found_BG[same_B] = base_BG[same_B]
    return found_BG


def ranks_of(score_G: Floats, positions: np.ndarray) -> np.ndarray:
    """Ranks from 1 of some images; equal scores in the order of the gallery."""
    place_G = np.empty(len(score_G), np.int64)
    place_G[np.argsort(-score_G, kind="stable")] = np.arange(1, len(score_G) + 1)
    return place_G[positions]
