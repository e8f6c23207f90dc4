"""Inverted softmax over a bank of queries (Smith et al. 2017), and its dynamic form, QB-Norm (Bogolin et al. 2022).

An image that is close to many queries of a bank, a hub, loses; the bank comes from training captions, never from the
queries of the test.

Shapes: Q queries, G gallery, S queries of the bank, K nearest images.
"""

from __future__ import annotations

import numpy as np

from tbpsbench.errors import DataError


def hubness(bank_SG: np.ndarray, beta: float) -> np.ndarray:
    """(G,) logarithm of the sum of exp(beta x similarity) over the bank, in the type of the similarities."""
    scaled_SG = bank_SG * np.asarray(beta, bank_SG.dtype)
    largest_G = scaled_SG.max(axis=0)
    return largest_G + np.log(np.exp(scaled_SG - largest_G).sum(axis=0))


def popular(bank_SG: np.ndarray, k: int) -> np.ndarray:
    """(G,) bool: images that are among the k most similar of at least one query of the bank; k beyond G takes all."""
    gallery = bank_SG.shape[1]
    if k >= gallery:
        return np.ones(gallery, bool)
    found_G = np.zeros(gallery, bool)
    found_G[np.argsort(-bank_SG, axis=1, kind="stable")[:, :k]] = True
    return found_G


def corrected(
    score_QG: np.ndarray, hubness_G: np.ndarray, beta: float, popular_G: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Similarities less what the bank thinks of each image: the order of `inverted_softmax`, for any `beta`.

    It is the logarithm of the inverted softmax, divided by `beta`: where a large one makes the softmax 0 or infinite,
    and so images equal, this keeps them apart. Its unit is that of the similarities.

    Args:
        score_QG: (Q, G) similarities.
        hubness_G: see `hubness`, with the same `beta`.
        beta: sharpness; released default 20.
        popular_G: see `popular`: queries whose nearest image is not among them keep their similarities (the dynamic
            form). None changes all.

    Returns:
        (Q, G) scores, larger is better, comparable within a row only; (Q,) bool, which rows were changed.

    Raises:
        DataError: if the gallery of the bank is another one.
    """
    if hubness_G.shape != score_QG.shape[1:]:
        raise DataError(f"the bank knows {len(hubness_G)} images, the queries rank {score_QG.shape[1]}")
    changed_Q = np.ones(len(score_QG), bool) if popular_G is None else popular_G[score_QG.argmax(axis=1)]
    found_QG = score_QG.copy()
    found_QG[changed_Q] -= hubness_G / np.asarray(beta, hubness_G.dtype)
    return found_QG, changed_Q


def inverted_softmax(
    score_QG: np.ndarray, hubness_G: np.ndarray, beta: float, popular_G: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Similarities divided by what the bank thinks of each image, as the papers and the released code have it.

    Args and errors as of `corrected`; the scores of changed rows are positive, those below exp(-745) are 0.
    """
    found_QG, changed_Q = corrected(score_QG, hubness_G, beta, popular_G)
    found_QG[changed_Q] = np.exp(found_QG[changed_Q] * np.asarray(beta, found_QG.dtype))
    return found_QG, changed_Q
