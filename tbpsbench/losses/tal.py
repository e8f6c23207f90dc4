"""Triplet alignment loss, TAL (RDE: Qin et al. 2024, "Noisy-Correspondence Learning for Text-to-Image Person ReID").

An upper bound of the hinge on the hardest negative: the maximum over negatives becomes a log-sum-exp, which does not
collapse when many pairs are mislabelled.

Shapes: B pairs of the global batch, D width.
"""

from __future__ import annotations

from tbpsbench.distributed import gather_rows
from tbpsbench.kernels.contrastive import tal
from tbpsbench.losses.alignment import check_settings, reduce_pairs
from tbpsbench.losses.base import Loss
from tbpsbench.losses.contrast import directions
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
        anchor_BD, positive_BD = directions(features, self.anchor, self.positive)
        loss_B = tal(anchor_BD, positive_BD, gather_rows(batch.pid_B), self.temperature, self.margin)
        return reduce_pairs(loss_B, batch, self.pair_weights)
