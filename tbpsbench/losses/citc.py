"""C-ITC: cyclic consistency of the cosines (Goel et al. 2022, CyCLIP; Cao et al. 2024, TBPS-CLIP).

Shapes: B pairs of the global batch, D width.
"""

from __future__ import annotations

from torch.nn.functional import normalize

from tbpsbench.layers.ranges import require_not_negative
from tbpsbench.losses.base import Loss
from tbpsbench.losses.contrast import joined
from tbpsbench.registry import LOSSES
from tbpsbench.types import Batch, Features, LossOutput


@LOSSES.register(requires=("anchor", "positive"))
class CITC(Loss):
    """Make the geometry the same on both sides: cos(i, i') = cos(t, t'), and cos(i, t') = cos(t, i').

    TBPS-CLIP adds it with weight 0.1, which is the balancer's part: `balancer=dict(type="Fixed", weights=...)`.

    Args:
        anchor: name of one side's feature, (B, D).
        positive: name of the other side's feature, (B, D).
        within: weight of the squared differences within the sides; >= 0.
        across: weight of those between the sides; >= 0.

    Raises:
        ValueError: if a weight is negative.
    """

    def __init__(
        self,
        anchor: str = "heads.global.image",
        positive: str = "heads.global.text",
        within: float = 0.25,
        across: float = 0.25,
    ) -> None:
        super().__init__()
        require_not_negative(within=within, across=across)
        self.anchor, self.positive, self.within, self.across = anchor, positive, within, across

    def forward(self, features: Features, batch: Batch) -> LossOutput:  # noqa: ARG002
        """The loss of the joined batch of all processes; `per_sample` has the mean over each pair's row."""
        anchor_BD = normalize(joined(features, self.anchor), dim=-1)
        positive_BD = normalize(joined(features, self.positive), dim=-1)
        within_BB = anchor_BD @ anchor_BD.T - positive_BD @ positive_BD.T
        between_BB = anchor_BD @ positive_BD.T
        across_BB = between_BB - between_BB.T
        return LossOutput.mean((self.within * within_BB**2 + self.across * across_BB**2).mean(dim=1))
