"""InfoNCE between two sets of paired embeddings (van den Oord et al. 2018; BDAM, eq. 3).

Shapes: B pairs of the global batch, D width. `_BD` means (B, D).
"""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from tbpsbench.distributed import gather_rows
from tbpsbench.losses.base import Loss
from tbpsbench.losses.contrast import cross_entropy, identity_targets, joined
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
        positives: Literal["instance", "identity"] = "instance",
        pair_weights: bool = False,
    ) -> None:
        super().__init__()
        if temperature <= 0:
            raise ValueError(f"temperature must be positive, got {temperature}")
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
        anchor_BD = normalize(joined(features, self.anchor), dim=-1)
        positive_BD = normalize(joined(features, self.positive), dim=-1)
        target_BB = self._target(gather_rows(batch.pid_B))
        scale = learnt_scale(self.log_scale) if self.learnable else self.log_scale.exp()
        logits_BB = scale.to(anchor_BD.dtype) * anchor_BD @ positive_BD.T
        loss_B = cross_entropy(logits_BB, target_BB)
        if self.symmetric:
            loss_B = (loss_B + cross_entropy(logits_BB.T, target_BB)) / 2
        if self.pair_weights:
            return LossOutput.weighted_mean(loss_B, gather_rows(batch.pair_weight_B), scale=scale.detach())
        return LossOutput.mean(loss_B, scale=scale.detach())

    def _target(self, pid_B: Tensor) -> Tensor:
        """(B, B) float, rows sum to one; symmetric in both readings."""
        if self.positives == "instance":
            return torch.eye(len(pid_B), device=pid_B.device)
        return identity_targets(pid_B)
