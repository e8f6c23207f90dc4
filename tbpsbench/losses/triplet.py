"""Triplet loss on squared distances of a feature (BDAM, eq. 4; Hermans et al. 2017, Schroff et al. 2015).

Shapes: B rows of the joined batch, D width. `_BD` means (B, D).
"""

from __future__ import annotations

from typing import Literal

from torch.nn.functional import normalize

from tbpsbench.distributed import gather_rows, world_size
from tbpsbench.kernels.precision import at_least_float32
from tbpsbench.kernels.triplet import anchors_with_positive, triplet
from tbpsbench.layers.ranges import require_not_negative
from tbpsbench.losses.base import Loss
from tbpsbench.registry import LOSSES
from tbpsbench.types import Batch, Features, LossOutput


@LOSSES.register(requires=("feature", "pid"))
class Triplet(Loss):
    """Images of one person nearer to each other than to anybody else's, by a margin.

    It needs several images per person in a batch (sampler IdentityBalanced); the log holds the share of anchors that
    have a positive. Anchors without a positive or without a negative count nowhere; a batch without any triplet costs
    0 and moves nothing.

    Args:
        feature: name of the feature, (B, D).
        margin: in squared distance; 0 or more.
        mining: "batch-hard", "batch-all" or "semi-hard"; see `tbpsbench.kernels.triplet`. The value is the mean over
            the triplets chosen, zeros included, as the expectation in the paper.
        normalize: L2-normalise first; squared distances are then 0 .. 4. The paper does not.

    Raises:
        ValueError: if `margin` is negative.
    """

    def __init__(
        self,
        feature: str = "identity",
        margin: float = 0.3,
        mining: Literal["batch-hard", "batch-all", "semi-hard"] = "batch-hard",
        *,
        normalize: bool = False,
    ) -> None:
        super().__init__()
        require_not_negative(margin=margin)
        self.feature, self.margin, self.mining, self.normalize = feature, margin, mining, normalize

    def forward(self, features: Features, batch: Batch) -> LossOutput:
        """The loss of the joined batch of all processes; it is a sum over triplets, not over samples."""
        x_BD, pid_B = features[self.feature], gather_rows(batch.pid_B)
        # GPUs multiply half precision as it is; lengths of one and what travels between processes are float32.
        if not x_BD.is_cuda or self.normalize or world_size() > 1:
            x_BD = at_least_float32(x_BD)
        x_BD = gather_rows(normalize(x_BD, dim=-1) if self.normalize else x_BD)
        value = triplet(x_BD, pid_B, margin=self.margin, mining=self.mining)
        return LossOutput(value, stats={"anchors_with_positive": anchors_with_positive(pid_B)})
