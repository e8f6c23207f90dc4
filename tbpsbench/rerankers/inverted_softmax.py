"""Query-bank normalisation as a re-ranker (Bogolin et al. 2022; inverted softmax, Smith et al. 2017)."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from tbpsbench.registry import RERANKERS
from tbpsbench.rerankers.base import Blocks, Reranker, Search
from tbpsbench.rerankers.softmax import corrected, hubness, popular


@RERANKERS.register()
class InvertedSoftmax(Reranker):
    """Images that many training captions are close to, hubs, move down. The bank holds training captions alone.

    Args:
        beta: sharpness, > 0; the released default is 20.
        k: an image is a hub if it is among the k nearest of a caption of the bank (the dynamic form): queries whose
            nearest image is none keep their similarities. None normalises all queries (the static form).
        bank: captions of the bank.

    Raises:
        ValueError: if a number is not positive.
    """

    # Which images are hubs depends on the other images of the gallery.
    transductive = True
    reads = ("scores", "bank")

    def __init__(self, beta: float = 20.0, k: int | None = 1, bank: int = 5000) -> None:
        if beta <= 0 or bank < 1 or (k is not None and k < 1):
            raise ValueError(f"beta ({beta}), k ({k}) and bank ({bank}) must be positive")
        self.beta, self.k, self.bank = beta, k, bank

    def rerank(self, search: Search) -> Blocks:
        """Similarities less the hubness of each image; a row's scores are comparable with each other alone."""
        bank_SG = search.bank(self.bank).numpy().astype(np.float64)
        # Of the mean over the bank, not of the sum: no order changes, and the scores stay in the range of similarities.
        hubness_G = hubness(bank_SG, self.beta) - np.log(len(bank_SG))
        popular_G = None if self.k is None else popular(bank_SG, self.k)

        def scores(start: int, stop: int) -> Tensor:
            score_BG = search.scores(start, stop).numpy().astype(np.float64)
            return torch.from_numpy(corrected(score_BG, hubness_G, self.beta, popular_G)[0])

        return scores
