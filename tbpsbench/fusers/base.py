"""What a fuser promises: one vector from an image and, where there is one, a text made from that image."""

from __future__ import annotations

from abc import ABC, abstractmethod

from torch import Tensor, nn

from tbpsbench.types import Features


class Fuser(nn.Module, ABC):
    """Base of the slot FUSERS; register with `provides=("fused",)`.

    Attributes:
        out_dim: width of the fused vector.

    Context arguments: `dims`, a dict from the names of the features made so far to their widths.
    """

    out_dim: int

    @abstractmethod
    def forward(self, features: Features) -> Tensor:
        """The fused vector (B, out_dim); it must also be made where the text feature is absent."""
