"""R-ITC: contrast by the reverse divergence (Cao et al. 2024, TBPS-CLIP); half of SDM with a larger eps.

Shapes: B pairs of the global batch, D width.
"""

from __future__ import annotations

from tbpsbench.distributed import gather_rows
from tbpsbench.kernels.contrastive import sdm
from tbpsbench.kernels.precision import at_least_float32
from tbpsbench.layers.ranges import require_positive
from tbpsbench.losses.base import Loss
from tbpsbench.losses.contrast import directions
from tbpsbench.losses.scale import Scale
from tbpsbench.registry import LOSSES
from tbpsbench.types import Batch, Features, LossOutput


@LOSSES.register(requires=("anchor", "positive", "pid"))
class RITC(Loss):
    """KL(p || q + eps) of a row's softmax p from the identities' shares q, the mean of both directions.

    The value may be negative: q + eps sums to more than one.

    Args:
        anchor: name of one side's feature, (B, D).
        positive: name of the other side's feature, (B, D).
        temperature: divides the cosines; > 0.
        learnable: learn the temperature, clamped so that 1 / temperature <= 100. In a batch of more than 1 / eps
            pairs a flat softmax scores lower than a right one: alone, this loss would learn a scale of 0. The released
            code shares the scale with N-ITC, which pulls it up.
        eps: added to the shares before the logarithm; > 0.

    Raises:
        ValueError: if `temperature` or `eps` is not positive.
    """

    def __init__(
        self,
        anchor: str = "heads.global.image",
        positive: str = "heads.global.text",
        temperature: float = 0.07,
        *,
        learnable: bool = False,
        eps: float = 1e-2,
    ) -> None:
        super().__init__()
        require_positive(eps=eps)
        self.anchor, self.positive, self.eps = anchor, positive, eps
        self.scale = Scale(temperature, learnable=learnable)

    def forward(self, features: Features, batch: Batch) -> LossOutput:
        """The loss of the joined batch of all processes; `per_sample` has one value per pair."""
        anchor_BD, positive_BD = directions(features, self.anchor, self.positive)
        scale = self.scale(at_least_float32(anchor_BD))
        loss_B = sdm(anchor_BD, positive_BD, gather_rows(batch.pid_B), eps=self.eps, scale=scale)
        return LossOutput.mean(loss_B / 2, scale=scale.detach())
