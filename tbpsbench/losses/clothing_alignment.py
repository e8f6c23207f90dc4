"""Clothing features against the clothing description (BDAM, eq. 1): InfoNCE after a linear projection.

Shapes: B pairs, D width. `_BD` means (B, D).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from torch import nn

from tbpsbench.kernels.precision import at_least_float32
from tbpsbench.layers.ranges import require_positive
from tbpsbench.losses.base import Loss
from tbpsbench.losses.infonce import InfoNCE
from tbpsbench.registry import LOSSES
from tbpsbench.types import Batch, Features, LossOutput


@LOSSES.register(requires=("clothing", "text", "pid"))
class ClothingAlignment(Loss):
    """Pull the clothing stream of an image towards the description of the clothes.

    The image side is always projected, to the width of the text or to `dim`, as the paper projects it "to the text
    dimension". The text side is compared as it is; only a `dim` that differs from its width makes it pass a projection
    of its own. Both are then L2-normalised.

    Args:
        clothing: name of the clothing feature of the image before the gate, (B, D).
        text: name of the clothing description's feature, (B, D).
        dims: widths of the features, supplied by the model.
        dim: width in which both are compared, > 0; None: the text's.
        temperature: divides the cosines; > 0.
        learnable: learn the temperature, see InfoNCE.
        symmetric: average both directions; the paper asks from image to text alone.
        positives: "instance": an image's own description; "identity": those of all images of the person, who may wear
            other clothes there.

    Raises:
        ValueError: if `temperature` or `dim` is not positive or no feature has one of the names.
    """

    def __init__(
        self,
        dims: Mapping[str, int],
        clothing: str = "clothing_ungated",
        text: str = "text.clothing.pooled",
        dim: int | None = None,
        temperature: float = 0.07,
        *,
        learnable: bool = False,
        symmetric: bool = False,
        positives: Literal["instance", "identity"] = "instance",
    ) -> None:
        super().__init__()
        for name in (clothing, text):
            if name not in dims:
                raise ValueError(f"no feature {name!r}; there are: {', '.join(dims)}")
        self.clothing, self.text = clothing, text
        width = dims[text] if dim is None else dim
        require_positive(dim=width)
        self.project_image = nn.Linear(dims[clothing], width)
        self.project_text = nn.Identity() if width == dims[text] else nn.Linear(dims[text], width)
        self.contrast = InfoNCE(
            clothing, text, temperature, learnable=learnable, symmetric=symmetric, positives=positives
        )

    def forward(self, features: Features, batch: Batch) -> LossOutput:
        """The loss of the joined batch of all processes; `per_sample` has one value per pair."""
        image_BD = self.project_image(at_least_float32(features[self.clothing]))
        text_BD = self.project_text(at_least_float32(features[self.text]))
        return self.contrast(Features({self.clothing: image_BD, self.text: text_BD}), batch)  # type: ignore[no-any-return]
