"""What RDE's losses TAL and TRL share: cosines of the joined batch, its positives, the weighted sum over pairs.

Shapes: B pairs of the global batch, D width.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import normalize

from tbpsbench.distributed import gather_rows
from tbpsbench.losses.contrast import joined
from tbpsbench.types import Batch, Features, LossOutput


def check_settings(temperature: float, margin: float) -> None:
    """Refuse what the losses cannot mean.

    Raises:
        ValueError: if the temperature is not positive or the margin is negative.
    """
    if temperature <= 0 or margin < 0:
        raise ValueError(f"temperature ({temperature}) must be positive and margin ({margin}) not negative")


def cosines(features: Features, batch: Batch, anchor: str, positive: str) -> tuple[Tensor, Tensor]:
    """Cosines (B, B) of the joined batch, at least float32, and which of its pairs show one identity (B, B)."""
    anchor_BD, positive_BD = (normalize(joined(features, name), dim=-1) for name in (anchor, positive))
    pid_B = gather_rows(batch.pid_B)
    return anchor_BD @ positive_BD.T, pid_B[:, None] == pid_B[None, :]


def positive_part(cosine_BB: Tensor, same_BB: Tensor, temperature: float) -> Tensor:
    """S+ (B,): each row's positives, averaged under the softmax of their own cosines; its weights are constants."""
    logits_BB = (cosine_BB.detach() / temperature).masked_fill(~same_BB, -torch.inf)
    return (logits_BB.softmax(dim=1) * cosine_BB).sum(dim=1)


def reduce_pairs(loss_B: Tensor, batch: Batch, pair_weights: bool) -> LossOutput:
    """Sum over the joined batch, weighted by how far each pair is trusted if asked for."""
    if not pair_weights:
        return LossOutput.sum(loss_B)
    return LossOutput.weighted_sum(loss_B, gather_rows(batch.pair_weight_B).to(loss_B.dtype))
