"""Similarity distribution matching (Jiang and Ye 2023, IRRA, eq. 4-6 and the released objectives).

Shapes: B pairs of the global batch, D width.
"""

from __future__ import annotations

from tbpsbench.distributed import gather_rows
from tbpsbench.kernels.contrastive import sdm
from tbpsbench.layers.ranges import require_positive
from tbpsbench.losses.base import Loss
from tbpsbench.losses.contrast import directions
from tbpsbench.registry import LOSSES
from tbpsbench.types import Batch, Features, LossOutput


@LOSSES.register(requires=("anchor", "positive", "pid"))
class SDM(Loss):
    """Make the softmax p of a row's similarities match the identities' shares q: KL(p || q) in both directions.

    The divergence runs from the prediction to the label, so probability on a person who is not meant costs -log(eps) of
    it, and the two directions are added, not averaged; both as in the released code.

    Args:
        anchor: name of the feature that asks, (B, D).
        positive: name of the feature that answers, (B, D).
        temperature: divides the cosines; > 0, not learnt.
        eps: added to the shares before the logarithm; > 0.
        pair_weights: average over pairs with the weights that the batch carries (RDE's clean labels).

    Raises:
        ValueError: if `temperature` or `eps` is not positive.
    """

    def __init__(
        self,
        anchor: str = "heads.global.image",
        positive: str = "heads.global.text",
        temperature: float = 0.02,
        eps: float = 1e-8,
        *,
        pair_weights: bool = False,
    ) -> None:
        super().__init__()
        require_positive(temperature=temperature, eps=eps)
        self.anchor, self.positive, self.pair_weights = anchor, positive, pair_weights
        self.temperature, self.eps = temperature, eps

    def forward(self, features: Features, batch: Batch) -> LossOutput:
        """The loss of the joined batch of all processes; `per_sample` has one value per pair."""
        anchor_BD, positive_BD = directions(features, self.anchor, self.positive)
        loss_B = sdm(anchor_BD, positive_BD, gather_rows(batch.pid_B), self.temperature, self.eps)
        if self.pair_weights:
            return LossOutput.weighted_mean(loss_B, gather_rows(batch.pair_weight_B))
        return LossOutput.mean(loss_B)
