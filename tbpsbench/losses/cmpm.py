"""Cross-modal projection matching (Zhang and Lu 2018), in the form of IRRA's released objectives.

Shapes: B pairs of the global batch, D width.
"""

from __future__ import annotations

from torch import Tensor
from torch.nn.functional import normalize

from tbpsbench.distributed import gather_rows
from tbpsbench.losses.base import Loss
from tbpsbench.losses.contrast import joined, reverse_kl
from tbpsbench.registry import LOSSES
from tbpsbench.types import Batch, Features, LossOutput


@LOSSES.register(requires=("anchor", "positive", "pid"))
class CMPM(Loss):
    """Match the softmax of a vector's projections onto the other side's directions with the identities' labels.

    The vector itself is not normalised, so its length acts as a temperature that the model learns. The labels of a row
    are divided by their Euclidean norm, not by their number: two matches weigh 0.71 each. Both as published.

    Args:
        anchor: name of one side's feature, (B, D).
        positive: name of the other side's feature, (B, D).
        eps: added to the labels before the logarithm; > 0.

    Raises:
        ValueError: if `eps` is not positive.
    """

    def __init__(
        self, anchor: str = "heads.global.image", positive: str = "heads.global.text", eps: float = 1e-8
    ) -> None:
        super().__init__()
        if eps <= 0:
            raise ValueError(f"eps must be positive, got {eps}")
        self.anchor, self.positive, self.eps = anchor, positive, eps

    def forward(self, features: Features, batch: Batch) -> LossOutput:
        """The loss of the joined batch of all processes; `per_sample` has both directions of each pair, added."""
        anchor_BD, positive_BD = joined(features, self.anchor), joined(features, self.positive)
        label_BB = _labels(gather_rows(batch.pid_B))
        onto_positive_BB = anchor_BD @ normalize(positive_BD, dim=-1).T
        onto_anchor_BB = positive_BD @ normalize(anchor_BD, dim=-1).T
        loss_B = reverse_kl(onto_positive_BB, label_BB, self.eps) + reverse_kl(onto_anchor_BB, label_BB, self.eps)
        return LossOutput.mean(loss_B)


def _labels(pid_B: Tensor) -> Tensor:
    """(B, B) float32: 1 for pairs of one person, each row divided by its Euclidean norm; symmetric."""
    same_BB = (pid_B[:, None] == pid_B[None, :]).float()
    return same_BB / same_BB.norm(dim=1, keepdim=True)
