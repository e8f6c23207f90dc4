"""What a disentangler promises: it splits what the image encoder saw into named parts."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping

from torch import Tensor, nn

from tbpsbench.types import Features


class Disentangler(nn.Module, ABC):
    """Base of the slot DISENTANGLERS; register with `provides=` the names of the features that it makes.

    Attributes:
        dims: width of each provided feature.

    Context arguments: `dims`, a dict from the names of the features made so far to their widths.
    """

    dims: Mapping[str, int]

    @abstractmethod
    def forward(self, features: Features) -> dict[str, Tensor]:
        """Make the provided features from `features["image.patches"]` (B, L, D) and whatever else it requires."""
