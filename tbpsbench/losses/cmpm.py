"""Cross-modal projection matching (Zhang and Lu 2018), in the form of IRRA's released objectives.

Shapes: B pairs of the global batch, D width.
"""

from __future__ import annotations

from tbpsbench.distributed import gather_rows
from tbpsbench.kernels.contrastive import cmpm
from tbpsbench.layers.ranges import require_positive
from tbpsbench.losses.base import Loss
from tbpsbench.losses.contrast import joined
from tbpsbench.registry import LOSSES
from tbpsbench.types import Batch, Features, LossOutput


@LOSSES.register(requires=("anchor", "positive", "pid"))
class CMPM(Loss):
    """Match the softmax of a vector's projections onto the other side's directions with the identities' labels.

    The vector itself is not normalised, so its length acts as a temperature that the model learns. The labels of a row
    are divided by their Euclidean norm, not by their number: two matches weigh 0.71 each. Both as published.

    Args:
        anchor: name of one side's feature, (B, D).
        positive: name of the other side's feature, (B, D).
        eps: added to the labels before the logarithm; > 0.

    Raises:
        ValueError: if `eps` is not positive.
    """

    def __init__(
        self, anchor: str = "heads.global.image", positive: str = "heads.global.text", eps: float = 1e-8
    ) -> None:
        super().__init__()
        require_positive(eps=eps)
        self.anchor, self.positive, self.eps = anchor, positive, eps

    def forward(self, features: Features, batch: Batch) -> LossOutput:
        """The loss of the joined batch of all processes; `per_sample` has both directions of each pair, added."""
        anchor_BD, positive_BD = joined(features, self.anchor), joined(features, self.positive)
        return LossOutput.mean(cmpm(anchor_BD, positive_BD, gather_rows(batch.pid_B), self.eps))
