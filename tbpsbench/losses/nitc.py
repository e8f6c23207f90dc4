"""N-ITC: contrast with identity-normalised, softened targets (Cao et al. 2024, TBPS-CLIP).

Shapes: B pairs of the global batch, D width.
"""

from __future__ import annotations

import torch
from torch import Tensor

from tbpsbench.distributed import gather_rows
from tbpsbench.kernels.contrastive import naive, nitc
from tbpsbench.kernels.precision import at_least_float32
from tbpsbench.layers.ranges import require_not_negative, require_share
from tbpsbench.losses.base import Loss
from tbpsbench.losses.contrast import directions, scale_like
from tbpsbench.losses.scale import Scale
from tbpsbench.registry import LOSSES
from tbpsbench.types import Batch, Features, LossOutput


@LOSSES.register(requires=("anchor", "positive", "also", "soft_anchor", "soft_positive", "pid"))
class NITC(Loss):
    """Cross-entropy in both directions, averaged, against alpha x a soft similarity + (1 - alpha) x equal shares.

    The soft similarity is a softmax without gradient. The released code computes it in a second forward pass of the
    same network, which differs from the first by its dropout alone; here it is the first pass' own, unless other
    features (of a slow copy, say) are named.

    Args:
        anchor: name of one side's feature, (B, D).
        positive: name of the other side's feature, (B, D).
        also: names of further features in the anchor's place, such as those of other views of the image; the loss is
            the mean over all, each with a soft similarity of its own. TBPS-CLIP averages over two views.
        temperature: divides the cosines; > 0. The published runs start at 0.07.
        learnable: learn the temperature, clamped so that 1 / temperature <= 100.
        alpha: share of the soft similarity in the targets, 0..1; the published runs use 0.5.
        ramp_steps: training batches over which alpha rises from 0, linearly; 0 starts with alpha. The published runs
            take the first epoch: 'from_data:steps_per_epoch'. The batches seen so far are saved with the model.
        soft_anchor, soft_positive: names of the features that the soft similarity is computed from; None takes
            `anchor` and `positive`.

    Raises:
        ValueError: if `temperature` is not positive, `alpha` outside 0..1, or `ramp_steps` negative.
    """

    seen: Tensor

    progress_buffers = ("seen",)

    def __init__(
        self,
        anchor: str = "heads.global.image",
        positive: str = "heads.global.text",
        temperature: float = 0.07,
        *,
        learnable: bool = False,
        alpha: float = 0.5,
        ramp_steps: int = 0,
        soft_anchor: str | None = None,
        soft_positive: str | None = None,
        also: tuple[str, ...] = (),
    ) -> None:
        super().__init__()
        require_share(alpha=alpha)
        require_not_negative(ramp_steps=ramp_steps)
        self.anchors, self.positive = (anchor, *also), positive
        self.soft_anchor, self.soft_positive = soft_anchor, soft_positive or positive
        self.alpha, self.ramp_steps = alpha, ramp_steps
        self.scale = Scale(temperature, learnable=learnable)
        self.register_buffer("seen", torch.zeros((), dtype=torch.int64))

    def forward(self, features: Features, batch: Batch) -> LossOutput:
        """The loss of the joined batch of all processes; `per_sample` has one value per pair."""
        pid_B, alpha = gather_rows(batch.pid_B), self._alpha()
        losses = [self._of(anchor, features, pid_B, alpha) for anchor in self.anchors]
        scale = self.scale(alpha).detach()
        return LossOutput.mean(torch.stack(losses).mean(dim=0), scale=scale, alpha=alpha)

    def _of(self, anchor: str, features: Features, pid_B: Tensor, alpha: Tensor) -> Tensor:
        """(B,) losses of one anchor."""
        anchor_BD, positive_BD = directions(features, anchor, self.positive)
        scale, alpha = self.scale(at_least_float32(anchor_BD)), scale_like(alpha, anchor_BD)
        soft = (self.soft_anchor or anchor, self.soft_positive)
        if soft == (anchor, self.positive):
            return nitc(anchor_BD, positive_BD, pid_B, scale, alpha)
        # Two matrices of similarities at once are for small batches: no kernel has both.
        with torch.no_grad():
            soft_BD = directions(features, *soft)
        return naive.nitc(anchor_BD, positive_BD, pid_B, scale, alpha, soft_BD)

    def _alpha(self) -> Tensor:
        """The share for this batch; a training batch counts."""
        if self.ramp_steps == 0:
            return self.seen.new_tensor(self.alpha, dtype=torch.float32)
        alpha = self.alpha * (self.seen / self.ramp_steps).clamp(max=1)
        if self.training:
            self.seen += 1
        return alpha
