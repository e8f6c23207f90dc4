"""Uniform prototype sampling (HAM, CVPR 2025): styles are sought everywhere in the space, also where captions are few.

The released code of HAM holds no clustering; numbers and rule are those that two summaries of the paper agree on.

Shapes: N texts, D width, K prototypes, Q texts of each.
"""

from __future__ import annotations

import numpy as np

from tbpsbench.captions.clustering.base import NONE, Clusterer, Clusters, unit_rows
from tbpsbench.registry import CLUSTERERS

BLOCK_NUMBERS = 1 << 23


@CLUSTERERS.register()
class UniformPrototypes(Clusterer):
    """Centres drawn uniformly in mean +- beta sigma of each dimension; each takes its nearest texts.

    A text may belong to several prototypes or to none. Clusters keep the order in which they were drawn, and all have
    the same size.

    Args:
        prototypes: K, centres that are drawn; HAM: 1000.
        nearest: Q, texts of each; HAM: 200.
        beta: how far out centres lie, in standard deviations; HAM: 7.
        seed: of the centres.

    Raises:
        ValueError: if a number is below 1, or `beta` not above 0.
    """

    overlapping = True

    def __init__(self, prototypes: int = 1000, nearest: int = 200, beta: float = 7.0, seed: int = 0) -> None:
        if prototypes < 1 or nearest < 1 or beta <= 0:
            raise ValueError(f"prototypes ({prototypes}), nearest ({nearest}) must be 1 or more, beta ({beta}) above 0")
        self.prototypes, self.nearest, self.beta, self.seed = prototypes, nearest, beta, seed

    def cluster(self, embedding_ND: np.ndarray) -> Clusters:
        row_ND = unit_rows(embedding_ND, least=self.nearest)
        mean_D, sigma_D = row_ND.mean(axis=0, dtype=np.float64), row_ND.std(axis=0, dtype=np.float64)
        draw_KD = np.random.default_rng(self.seed).uniform(-1, 1, (self.prototypes, row_ND.shape[1]))
        centre_KD = (mean_D + self.beta * sigma_D * draw_KD).astype(np.float32)
        members: list[np.ndarray] = []
        label_N = np.full(len(row_ND), NONE, dtype=np.int64)
        least_N = np.full(len(row_ND), np.inf, dtype=np.float32)
        step = max(1, BLOCK_NUMBERS // len(row_ND))
        for start in range(0, self.prototypes, step):
            block_BD = centre_KD[start : start + step]
            # Up to the square of the row's length, which is 1: the order of distances to one centre.
            gap_BN = np.square(block_BD).sum(axis=1, keepdims=True) - 2 * block_BD @ row_ND.T
            for number, gap_N in enumerate(gap_BN, start):
                held = np.argsort(gap_N, kind="stable")[: self.nearest]
                members.append(held)
                closer = held[gap_N[held] < least_N[held]]
                label_N[closer], least_N[closer] = number, gap_N[closer]
        report = {"in_none": float(np.mean(label_N == NONE)), "texts_of_each": self.nearest}
        return Clusters(label_N, tuple(members), centre_KD, report)
