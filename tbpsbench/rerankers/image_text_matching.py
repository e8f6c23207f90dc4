"""A cross-encoder looks at the k best images of each query (ALBEF, BLIP, RaSa, APTM).

Shapes: Q queries, G gallery, K best images of a query, P pairs of a batch.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch
from torch import Tensor

from tbpsbench.errors import ConfigError
from tbpsbench.losses.itm import ITM
from tbpsbench.registry import RERANKERS
from tbpsbench.rerankers.base import Blocks, Reranker, Search
from tbpsbench.rerankers.pairs import best, join_pairs

QUERY_BLOCK = 512


@RERANKERS.register()
class ImageTextMatching(Reranker):
    """Order the k best images by the logit "matches" of a cross-encoder that the loss `ITM` has trained.

    Args:
        loss: name of the model's loss that holds the cross-encoder.
        k: images of each query that are looked at; > 0.
        join: "replace": the logit alone orders the k best, which stay before the rest; "add": logit plus similarity;
            "range": both over their range, the similarity with a small share (APTM, CMP). The ranges are those of all
            queries, so this form is transductive.
        batch_size: pairs per forward pass; > 0.
        image_block: images whose tokens are held at once; > 0.

    Raises:
        ValueError: if a number is not positive.
    """

    asks = "ITM"

    def __init__(
        self,
        loss: str = "itm",
        k: int = 32,
        join: Literal["replace", "add", "range"] = "replace",
        batch_size: int = 256,
        image_block: int = 256,
    ) -> None:
        if min(k, batch_size, image_block) < 1:
            raise ValueError(f"k ({k}), batch_size ({batch_size}) and image_block ({image_block}) must be positive")
        self.loss, self.k, self.join, self.batch_size, self.image_block = loss, k, join, batch_size, image_block
        self.transductive = join == "range"

    def rerank(self, search: Search) -> Blocks:
        """Scores of the k best by the cross-encoder, of the rest as `join` says."""
        matcher = dict(search.model.losses.items()).get(self.loss)
        if not isinstance(matcher, ITM):
            known = ", ".join(name for name, loss in search.model.losses.items() if isinstance(loss, ITM)) or "none"
            raise ConfigError(
                f"evaluation.rerank: ImageTextMatching asks the loss {self.loss!r}, which this model has not as ITM "
                f"(its losses of that kind: {known}). Train with model.losses.{self.loss}=dict(type='ITM')."
            )
        spans = [(start, min(start + QUERY_BLOCK, search.queries)) for start in range(0, search.queries, QUERY_BLOCK)]
        best_QK = np.concatenate([best(search.scores(*span).numpy(), self.k) for span in spans])
        logit_QK = self._logits(search, matcher, best_QK)
        self.pairs += best_QK.size
        if self.join == "range":  # over the whole matrix: a query's scores depend on the others
            whole_QG = np.concatenate([search.scores(*span).numpy() for span in spans])
            joined_QG = torch.from_numpy(join_pairs(whole_QG, best_QK, logit_QK, "range"))
            return lambda start, stop: joined_QG[start:stop]

        def scores(start: int, stop: int) -> Tensor:
            rows = slice(start, stop)
            found_BG = join_pairs(search.scores(start, stop).numpy(), best_QK[rows], logit_QK[rows], self.join)
            return torch.from_numpy(found_BG)

        return scores

    @torch.no_grad()
    def _logits(self, search: Search, matcher: ITM, best_QK: np.ndarray) -> np.ndarray:
        """(Q, K) float32 logits; image by image in blocks, so that the tokens of a block are made once."""
        logit_QK = np.empty(best_QK.shape, np.float32)
        for first in range(0, search.images, self.image_block):
            query_P, place_P = np.nonzero((best_QK >= first) & (best_QK < first + self.image_block))
            if not len(query_P):
                continue
            shown_P = best_QK[query_P, place_P]
            images, row_P = np.unique(shown_P, return_inverse=True)
            tokens_XLD = search.image_features(images)[matcher.image].float()
            for start in range(0, len(query_P), self.batch_size):
                part = slice(start, start + self.batch_size)
                texts, asked_P = np.unique(query_P[part], return_inverse=True)
                told, asked = search.text_features(texts), torch.from_numpy(asked_P)
                seen_PLD = tokens_XLD[torch.from_numpy(row_P[part])]
                logits_P2 = matcher.match(told[matcher.text].float()[asked], told[matcher.text_mask][asked], seen_PLD)
                logit_QK[query_P[part], place_P[part]] = logits_P2[:, 1].cpu().numpy()
        return logit_QK
