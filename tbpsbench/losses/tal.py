"""Triplet alignment loss, TAL (RDE: Qin et al. 2024, "Noisy-Correspondence Learning for Text-to-Image Person ReID").

An upper bound of the hinge on the hardest negative: the maximum over negatives becomes a log-sum-exp, which does not
collapse when many pairs are mislabelled.

Shapes: B pairs of the global batch, D width.
"""

from __future__ import annotations

import torch
from torch import Tensor

from tbpsbench.losses.alignment import check_settings, cosines, positive_part, reduce_pairs
from tbpsbench.losses.base import Loss
from tbpsbench.registry import LOSSES
from tbpsbench.types import Batch, Features, LossOutput


@LOSSES.register(requires=("anchor", "positive", "pid", "pair_weight"))
class TAL(Loss):
    """Sum over pairs, both directions, of [margin - S+ + temperature * log sum_negatives exp(S / temperature)]_+.

    S are cosines; S+ is the mean of a row's positives (all pairs of the same identity) under the softmax of
    S / temperature, whose weights get no gradient. A row without negatives has loss 0 and no gradient: so has a batch
    that shows one identity, where the released code gives NaN.

    Args:
        anchor, positive: names of the features to align, (B, D); the loss treats both sides alike.
        temperature: of both softmaxes; > 0.
        margin: of the hinge; >= 0.
        pair_weights: multiply each pair's loss by `Batch.pair_weight_B` (RDE: 1 for clean pairs, 0 for noisy ones).

    Raises:
        ValueError: if the temperature is not positive or the margin is negative.
    """

    def __init__(
        self,
        anchor: str = "heads.global.image",
        positive: str = "heads.global.text",
        temperature: float = 0.015,
        margin: float = 0.1,
        *,
        pair_weights: bool = True,
    ) -> None:
        super().__init__()
        check_settings(temperature, margin)
        self.anchor, self.positive = anchor, positive
        self.temperature, self.margin, self.pair_weights = temperature, margin, pair_weights

    def forward(self, features: Features, batch: Batch) -> LossOutput:
        """The loss of the joined batch of all processes; `per_sample` has one value per pair, before its weight."""
        cosine_BB, same_BB = cosines(features, batch, self.anchor, self.positive)
        loss_B = self._direction(cosine_BB, same_BB) + self._direction(cosine_BB.T, same_BB)
        return reduce_pairs(loss_B, batch, self.pair_weights)

    def _direction(self, cosine_BB: Tensor, same_BB: Tensor) -> Tensor:
        """Loss (B,) of each row."""
        has_negative_B = ~same_BB.all(dim=1)
        # A row of -inf alone has the gradient NaN; such a row is cut off first, its loss second.
        hidden_BB = same_BB & has_negative_B[:, None]
        logits_BB = (cosine_BB / self.temperature).masked_fill(hidden_BB, -torch.inf)
        negative_B = self.temperature * logits_BB.logsumexp(dim=1)
        loss_B = (self.margin - positive_part(cosine_BB, same_BB, self.temperature) + negative_B).clamp(min=0)
        return loss_B.masked_fill(~has_negative_B, 0.0)
