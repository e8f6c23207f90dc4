"""The slot without a disentangler: the identity is the mean of the patches, as in two plain towers.

Shapes: B batch, L patch tokens, D width.
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from tbpsbench.disentanglers.base import Disentangler
from tbpsbench.registry import DISENTANGLERS
from tbpsbench.types import Features


@DISENTANGLERS.register(requires=("image.patches",), provides=("identity", "identity.tokens"))
class PatchMean(Disentangler):
    """Provides "identity" (B, D), the mean of the patch tokens, and "identity.tokens" (B, L, D), the tokens themselves.

    It has no parameters; `model.disentangler=None` means this.

    Args:
        dims: feature name -> width, supplied by the model.
    """

    def __init__(self, dims: Mapping[str, int]) -> None:
        super().__init__()
        self.dims = dict.fromkeys(("identity", "identity.tokens"), dims["image.patches"])

    def forward(self, features: Features) -> dict[str, Tensor]:
        """The provided features by name."""
        patches_BLD = features["image.patches"]
        return {"identity": patches_BLD.mean(dim=1), "identity.tokens": patches_BLD}
