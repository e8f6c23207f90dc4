"""Identity classification with one classifier for both sides (IRRA, eq. 7 and the released objectives).

Shapes: B pairs of this process, D width.
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from tbpsbench.distributed import gather_rows
from tbpsbench.losses.base import Loss
from tbpsbench.losses.contrast import at_least_float32
from tbpsbench.registry import LOSSES
from tbpsbench.types import Batch, Features, LossOutput


@LOSSES.register(requires=("image", "text", "pid"))
class IDLoss(Loss):
    """Tell the training identities apart: the mean of the image's and the text's cross-entropy.

    No bottleneck, no label smoothing, features as they are; all as published.

    Args:
        dims: feature name -> width, supplied by the model.
        num_ids: number of identities; "from_data:num_train_ids" in a config.
        image: feature of the image side, (B, D).
        text: feature of the text side, (B, D).

    Raises:
        ValueError: if the widths differ or `num_ids` is not positive.
    """

    at_least: Mapping[str, str] = {"num_ids": "num_train_ids"}

    def __init__(
        self,
        dims: Mapping[str, int],
        num_ids: int,
        image: str = "heads.global.image",
        text: str = "heads.global.text",
    ) -> None:
        super().__init__()
        if num_ids < 1:
            raise ValueError(f"num_ids must be positive, got {num_ids}")
        if dims[image] != dims[text]:
            raise ValueError(
                f"one classifier for both sides, but {image} is {dims[image]} wide and {text} {dims[text]}"
            )
        self.image, self.text, self.num_ids = image, text, num_ids
        self.classifier = nn.Linear(dims[image], num_ids)
        nn.init.normal_(self.classifier.weight, std=0.001)
        nn.init.zeros_(self.classifier.bias)

    def forward(self, features: Features, batch: Batch) -> LossOutput:
        """The loss of the joined batch of all processes; each classifies its own pairs."""
        image_B, text_B = (self._side(features[name], batch.pid_B) for name in (self.image, self.text))
        return LossOutput.mean(gather_rows((image_B + text_B) / 2))

    def _side(self, x_BD: Tensor, pid_B: Tensor) -> Tensor:
        return cross_entropy(self.classifier(at_least_float32(x_BD)), pid_B, reduction="none")
