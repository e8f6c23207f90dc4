"""SimCLR: two views of one image find each other among all views of the batch (Chen et al. 2020), as TBPS-CLIP does.

Shapes: B pairs of the global batch, D width.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from tbpsbench.distributed import gather_rows
from tbpsbench.kernels.precision import at_least_float32
from tbpsbench.layers.ranges import require_positive
from tbpsbench.losses.base import Loss
from tbpsbench.registry import LOSSES
from tbpsbench.types import Batch, Features, LossOutput


@LOSSES.register(requires=("first", "second"))
class SimCLR(Loss):
    """Contrast between two views: each of the 2B vectors has one match and 2B - 2 others.

    Both views go through one projection, Linear, ReLU, Linear, and are compared by the cosine. Other images of the same
    person count as others, as in the released code. TBPS-CLIP adds the loss with weight 0.4, which is the balancer's
    part: `balancer=dict(type="Fixed", weights=...)`.

    Args:
        dims: feature name -> width, supplied by the model.
        first: feature of one view, (B, D).
        second: feature of the other, (B, D), of the same width.
        hidden: width between the two linear maps.
        out_dim: width of what is compared.
        temperature: divides the cosines; > 0.

    Raises:
        ValueError: if a width or the temperature is not positive, or the views differ in width.
    """

    def __init__(
        self,
        dims: Mapping[str, int],
        first: str = "heads.global.image",
        second: str = "view.second.heads.global.image",
        hidden: int = 128,
        out_dim: int = 512,
        temperature: float = 0.1,
    ) -> None:
        super().__init__()
        require_positive(temperature=temperature, hidden=hidden, out_dim=out_dim)
        if dims[first] != dims[second]:
            raise ValueError(f"{first} is {dims[first]} wide and {second} {dims[second]}: one projection takes both")
        self.first, self.second, self.temperature = first, second, temperature
        self.projection = nn.Sequential(nn.Linear(dims[first], hidden), nn.ReLU(), nn.Linear(hidden, out_dim))

    def forward(self, features: Features, batch: Batch) -> LossOutput:  # noqa: ARG002
        """The loss of the joined batch of all processes; `per_sample` is the mean of a pair's two vectors."""
        first_BD, second_BD = self._projected(features, self.first), self._projected(features, self.second)
        across_BB = first_BD @ second_BD.T / self.temperature
        loss_B = self._row_losses(across_BB, first_BD) + self._row_losses(across_BB.T, second_BD)
        return LossOutput.mean(loss_B / 2)

    def _projected(self, features: Features, name: str) -> Tensor:
        return gather_rows(normalize(self.projection(at_least_float32(features[name])), dim=-1))

    def _row_losses(self, across_BB: Tensor, own_BD: Tensor) -> Tensor:
        """(B,) cross-entropy of one view's vectors; the match is on the diagonal of `across_BB`."""
        itself_BB = torch.eye(len(own_BD), dtype=torch.bool, device=own_BD.device)
        within_BB = (own_BD @ own_BD.T / self.temperature).masked_fill(itself_BB, float("-inf"))
        return torch.cat([across_BB, within_BB], dim=1).logsumexp(dim=1) - across_BB.diagonal()
