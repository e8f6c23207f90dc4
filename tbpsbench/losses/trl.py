"""Triplet ranking loss with the hardest negative, TRL (Faghri et al. 2018), as RDE compares TAL with it.

Shapes: B pairs of the global batch, D width.
"""

from __future__ import annotations

from tbpsbench.distributed import gather_rows
from tbpsbench.kernels.contrastive import trl
from tbpsbench.losses.alignment import check_settings, reduce_pairs
from tbpsbench.losses.base import Loss
from tbpsbench.losses.contrast import directions
from tbpsbench.registry import LOSSES
from tbpsbench.types import Batch, Features, LossOutput


@LOSSES.register(requires=("anchor", "positive", "pid", "pair_weight"))
class TRL(Loss):
    """Sum over pairs, both directions, of [margin - S+ + max(0, max_negatives S)]_+ with TAL's S and S+.

    The hardest negative counts as at least 0: the released code hides positives by multiplying with 0 and takes the
    maximum of what is left. A row without negatives has loss 0 and no gradient here.

    Args:
        anchor, positive: names of the features to align, (B, D); the loss treats both sides alike.
        temperature: of the softmax over positives; > 0.
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
        loss_B = trl(anchor_BD, positive_BD, gather_rows(batch.pid_B), self.temperature, self.margin)
        return reduce_pairs(loss_B, batch, self.pair_weights)
