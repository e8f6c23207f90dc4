"""Contrastive loss on max-sim similarities, for late-interaction heads (FILIP, Yao et al. 2022, section 3.1).

Shapes: B pairs of the global batch, T words, L patches, D width.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import normalize, pad

from tbpsbench.distributed import gather_rows, largest_over_processes
from tbpsbench.kernels.max_sim import Direction, max_sim
from tbpsbench.kernels.precision import at_least_float32
from tbpsbench.losses.base import Loss
from tbpsbench.losses.contrast import cross_entropy, identity_targets
from tbpsbench.losses.scale import Scale
from tbpsbench.registry import LOSSES
from tbpsbench.types import Batch, Features, LossOutput


@LOSSES.register(requires=("image", "text", "pid"))
class MaxSim(Loss):
    """Pull paired sets of tokens together and push the rest of the batch apart, in both directions.

    Args:
        image, text: features with the tokens of both sides, (B, L, D) and (B, T, D); which of them are there is read
            from the features of the same name with "_mask" at the end, where there are such.
        temperature: divides the similarities; > 0.
        learnable: learn the temperature; 1 / temperature is held at 100 or below.
        direction: as that of the head.
        positives: "instance": row i matches column i; "identity": all pairs of one person match, with equal shares.

    Raises:
        ValueError: if `temperature` is not positive.
    """

    def __init__(
        self,
        image: str = "heads.tokens.image",
        text: str = "heads.tokens.text",
        temperature: float = 0.07,
        *,
        learnable: bool = False,
        direction: Literal["text", "image", "both"] = "text",
        positives: Literal["instance", "identity"] = "instance",
    ) -> None:
        super().__init__()
        self.image, self.text, self.positives = image, text, positives
        self.direction: Direction = direction
        self.scale = Scale(temperature, learnable=learnable)

    def forward(self, features: Features, batch: Batch) -> LossOutput:
        """The loss of the joined batch of all processes; `per_sample` has one value per pair."""
        image_BLD, image_mask_BL = _joined(features, self.image)
        text_BTD, text_mask_BT = _joined(features, self.text)
        score_BB = max_sim(text_BTD, image_BLD, text_mask_BT, image_mask_BL, self.direction)
        pid_B = gather_rows(batch.pid_B)
        target_BB = identity_targets(pid_B) if self.positives == "identity" else torch.eye(len(pid_B)).to(score_BB)
        scale = self.scale(score_BB)
        loss_B = (cross_entropy(scale * score_BB, target_BB) + cross_entropy(scale * score_BB.T, target_BB)) / 2
        return LossOutput.mean(loss_B, scale=scale.detach())


def _joined(features: Features, name: str) -> tuple[Tensor, Tensor | None]:
    """Normalised tokens of all processes' pairs and their mask; texts are cut to other lengths elsewhere."""
    tokens_BTD = normalize(at_least_float32(features[name]), dim=-1)
    longest = largest_over_processes(tokens_BTD.shape[1], tokens_BTD.device)
    added = longest - tokens_BTD.shape[1]
    has_mask = f"{name}_mask" in features
    mask_BT = features[f"{name}_mask"] if has_mask else None
    if added and not has_mask:
        mask_BT = torch.ones(tokens_BTD.shape[:2], dtype=torch.bool, device=tokens_BTD.device)
    tokens_BTD = gather_rows(pad(tokens_BTD, (0, 0, 0, added)))
    if mask_BT is None:
        return tokens_BTD, None
    return tokens_BTD, gather_rows(pad(mask_BT, (0, added)).to(torch.uint8)).bool()
