"""The vectors that benchmarks/search.py searches: random ones, and such as a trained system makes."""

from __future__ import annotations

from typing import Any

import numpy as np

CENTRES, NEIGHBOURS, PART = 2000, 8, 65536


def unit(rows: np.ndarray) -> np.ndarray:
    """Rows of length 1, float32."""
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


class Random:
    """Vectors around centres; the spread puts the cosine of two of one centre at about 0.5."""

    def __init__(self, dim: int) -> None:
        self.dim = dim
        self.centre_CD = np.random.default_rng(0).normal(size=(CENTRES, dim)).astype(np.float32)

    def draw(self, count: int, seed: int) -> np.ndarray:
        generator = np.random.default_rng(seed)
        noise = generator.standard_normal((count, self.dim), dtype=np.float32)
        return unit(self.centre_CD[generator.integers(0, CENTRES, count)] + noise)


class Trained:
    """Vectors between neighbours of real features."""

    def __init__(self, feature_ND: np.ndarray) -> None:
        self.feature_ND, self.dim = unit(feature_ND), feature_ND.shape[1]
        score_NN = self.feature_ND @ self.feature_ND.T
        np.fill_diagonal(score_NN, -np.inf)
        count = min(NEIGHBOURS, len(feature_ND) - 1)
        self.near_NK = np.argpartition(-score_NN, count - 1, axis=1)[:, :count]

    def draw(self, count: int, seed: int) -> np.ndarray:
        generator = np.random.default_rng(seed)
        row = generator.integers(0, len(self.feature_ND), count)
        other = self.near_NK[row, generator.integers(0, self.near_NK.shape[1], count)]
        share = generator.random((count, 1), dtype=np.float32)
        return unit(self.feature_ND[row] * (1 - share) + self.feature_ND[other] * share)


Source = Random | Trained


def fill(index: Any, source: Source, rows: int) -> None:
    """Add that many rows, part by part."""
    for first in range(0, rows, PART):
        count = min(PART, rows - first)
        index.add(np.arange(first, first + count), source.draw(count, 1 + first))
    index.flush()
