"""A loss in ten lines: pull the two sides of every pair together.

Shapes: B pairs of the global batch, D width.
"""

from __future__ import annotations

from torch.nn.functional import normalize

from tbpsbench.distributed import gather_rows
from tbpsbench.losses.base import Loss
from tbpsbench.registry import LOSSES
from tbpsbench.types import Batch, Features, LossOutput


@LOSSES.register(requires=("anchor", "positive"))
class PairDistance(Loss):
    """One minus the cosine of each pair. Alone it is met by mapping everything to one point: add a contrastive loss.

    Args:
        anchor: name of one side's feature, (B, D).
        positive: name of the other side's feature, (B, D).
    """

    def __init__(self, anchor: str = "heads.global.image", positive: str = "heads.global.text") -> None:
        super().__init__()
        self.anchor, self.positive = anchor, positive

    def forward(self, features: Features, batch: Batch) -> LossOutput:  # noqa: ARG002
        """The mean over the joined batch of all processes."""
        anchor_BD = gather_rows(normalize(features[self.anchor], dim=-1))
        positive_BD = gather_rows(normalize(features[self.positive], dim=-1))
        return LossOutput.mean(1 - (anchor_BD * positive_BD).sum(dim=-1))
