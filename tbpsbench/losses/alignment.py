"""What RDE's losses TAL and TRL share: their settings and the weighted sum over pairs."""

from __future__ import annotations

from torch import Tensor

from tbpsbench.distributed import gather_rows
from tbpsbench.layers.ranges import require_not_negative, require_positive
from tbpsbench.types import Batch, LossOutput


def check_settings(temperature: float, margin: float) -> None:
    """Refuse what the losses cannot mean.

    Raises:
        ValueError: if the temperature is not positive or the margin is negative.
    """
    require_positive(temperature=temperature)
    require_not_negative(margin=margin)


def reduce_pairs(loss_B: Tensor, batch: Batch, pair_weights: bool) -> LossOutput:
    """Sum over the joined batch (B pairs), weighted by how far each pair is trusted if asked for."""
    if not pair_weights:
        return LossOutput.sum(loss_B)
    return LossOutput.weighted_sum(loss_B, gather_rows(batch.pair_weight_B).to(loss_B.dtype))
