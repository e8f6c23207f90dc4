"""InfoNCE between two sets of paired embeddings (van den Oord et al. 2018; BDAM, eq. 3).

Shapes: B pairs of the global batch, D width. `_BD` means (B, D).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from tbpsbench.distributed import gather_rows
from tbpsbench.kernels.contrastive import Positives, info_nce
from tbpsbench.layers.ranges import require_positive
from tbpsbench.losses.base import Loss
from tbpsbench.losses.contrast import directions, scale_like
from tbpsbench.losses.scale import learnt_scale
from tbpsbench.registry import LOSSES
from tbpsbench.types import Batch, Features, LossOutput


@LOSSES.register(requires=("anchor", "positive", "pid"))
class InfoNCE(Loss):
    """Pull paired embeddings together and push the rest of the batch apart.

    Args:
        anchor: name of the feature that asks, (B, D).
        positive: name of the feature that answers, (B, D).
        temperature: divides the cosines; > 0. CLIP and the papers start at 0.07.
        learnable: learn the temperature; 1 / temperature is held at 100 or below (CLIP).
        symmetric: average both directions; otherwise anchor -> positive alone, as in the BDAM paper.
        positives: "instance": row i matches column i; "identity": all pairs of one person match, with equal shares.
        pair_weights: average over pairs with the weights that the batch carries (RDE's clean labels).

    Raises:
        ValueError: if `temperature` is not positive.
    """

    def __init__(
        self,
        anchor: str = "heads.global.image",
        positive: str = "heads.global.text",
        temperature: float = 0.07,
        *,
        learnable: bool = False,
        symmetric: bool = True,
        positives: Positives = "instance",
        pair_weights: bool = False,
    ) -> None:
        super().__init__()
        require_positive(temperature=temperature)
        self.anchor, self.positive, self.symmetric, self.positives = anchor, positive, symmetric, positives
        self.pair_weights = pair_weights
        log_scale = torch.tensor(math.log(1.0 / temperature))
        self.learnable = learnable
        self.log_scale: Tensor
        if learnable:
            self.log_scale = nn.Parameter(log_scale)
        else:
            self.register_buffer("log_scale", log_scale, persistent=False)

    def forward(self, features: Features, batch: Batch) -> LossOutput:
        """The loss of the joined batch of all processes; `per_sample` has one value per pair."""
        anchor_BD, positive_BD = directions(features, self.anchor, self.positive)
        scale = learnt_scale(self.log_scale) if self.learnable else self.log_scale.exp()
        loss_B = info_nce(
            anchor_BD,
            positive_BD,
            gather_rows(batch.pid_B),
            scale_like(scale, anchor_BD),
            symmetric=self.symmetric,
            positives=self.positives,
        )
        if self.pair_weights:
            return LossOutput.weighted_mean(loss_B, gather_rows(batch.pair_weight_B), scale=scale.detach())
        return LossOutput.mean(loss_B, scale=scale.detach())
