"""Telling clean from noisy pairs by their losses (RDE, section 3.2: confident consensus division).

Shapes: N training pairs.
"""

from __future__ import annotations

import warnings

import numpy as np

THRESHOLD = 0.5
FORCED_NOISY = 100  # one in so many pairs is called noisy where the mixture finds none


def clean_probability(loss_N: np.ndarray, max_iter: int, tol: float, reg_covar: float, random_state: int) -> np.ndarray:
    """Probability (N,) of belonging to the component with the lower mean of a two-component Gaussian mixture.

    The losses are min-max normalised first. Losses that are all equal tell nothing: every pair is clean.

    Args:
        loss_N: one value per pair, finite.
        max_iter, tol, reg_covar: of scikit-learn's GaussianMixture.
        random_state: of its start.
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.mixture import GaussianMixture
    from threadpoolctl import threadpool_limits

    spread = float(np.ptp(loss_N)) if len(loss_N) > 1 else 0.0
    if spread == 0.0:
        return np.ones(len(loss_N))
    scaled_N1 = ((loss_N - loss_N.min()) / spread)[:, None]
    mixture = GaussianMixture(2, max_iter=max_iter, tol=tol, reg_covar=reg_covar, random_state=random_state)
    # One thread: sums must not depend on the machine's load, or a resumed run would divide otherwise.
    with warnings.catch_warnings(), threadpool_limits(1):
        warnings.simplefilter("ignore", ConvergenceWarning)  # ten iterations are all that is published
        mixture.fit(scaled_N1)
        probability_NK = mixture.predict_proba(scaled_N1)
    return np.asarray(probability_NK[:, mixture.means_[:, 0].argmin()])


def call_clean(probability_N: np.ndarray) -> np.ndarray:
    """Which pairs (N,) bool are clean: more likely than not; if all are, the least likely hundredth is called noisy.

    Where that hundredth reaches the largest probability, only what is below it is noisy, and nothing is where all are
    equal. The released code, which asks for more than the hundredth's, calls every pair noisy there: an epoch would
    teach nothing.
    """
    if probability_N.min() <= THRESHOLD:
        return probability_N > THRESHOLD
    rank = len(probability_N) // FORCED_NOISY
    threshold = float(np.partition(probability_N, rank)[rank])
    if threshold == probability_N.max():
        return probability_N == threshold
    return probability_N > threshold


def consensus(clean_HN: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Weights (N,) 0 or 1: what all heads say; where they disagree, a coin decides.

    Args:
        clean_HN: bool, one row per head.
        rng: of the coins; one is drawn for every pair, whether needed or not.
    """
    coin_N = rng.integers(0, 2, clean_HN.shape[1])
    agreed_N = (clean_HN == clean_HN[0]).all(axis=0)
    return np.where(agreed_N, clean_HN[0], coin_N).astype(np.float32)
