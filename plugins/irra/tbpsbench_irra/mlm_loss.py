"""Implicit relation reasoning: name the masked words from the rest of the caption and the image (IRRA, eq. 8-10).

Shapes: B pairs of this process, T text tokens, L image tokens, M masked tokens, D width, V words.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from tbpsbench.distributed import sum_over_processes
from tbpsbench.errors import ConfigError
from tbpsbench.losses.base import Loss
from tbpsbench.losses.contrast import at_least_float32
from tbpsbench.registry import LOSSES
from tbpsbench.types import Batch, Features, LossOutput
from tbpsbench_irra.cross_modal import CrossModalEncoder, MLMHead

IGNORED = 0  # the label of tokens that were not masked


@LOSSES.register(requires=("image", "text"))
class MLM(Loss):
    """Cross-entropy of the masked words, mean over all masked tokens of the batch; needs data.masked_tokens=True.

    Scores are computed where a token was masked and nowhere else: the others are not in the mean, and 49408 words for
    every one of 77 positions are most of the released code's memory.

    Args:
        dims: feature name -> width, supplied by the model.
        vocab_size: V; "from_data:vocab_size" in a config.
        depth: residual blocks of the cross-modal encoder.
        heads: its attention heads; None for D / 64, at least 1.
        image: tokens of the image, (B, L, D).
        text: tokens of the masked caption, (B, T, D).
        attend_padding: let the blocks read padded positions, too, as the released code does. The caption must then be
            encoded to its full length; without, it is cut to the longest of the batch, which is faster.

    Raises:
        ValueError: if the widths differ, or a size is not positive.
    """

    at_least: Mapping[str, str] = {"vocab_size": "vocab_size"}

    def __init__(
        self,
        dims: Mapping[str, int],
        vocab_size: int,
        depth: int = 4,
        heads: int | None = None,
        image: str = "image.tokens",
        text: str = "text.masked.tokens",
        *,
        attend_padding: bool = True,
    ) -> None:
        super().__init__()
        if vocab_size < 1:
            raise ValueError(f"vocab_size must be positive, got {vocab_size}")
        if dims[image] != dims[text]:
            raise ValueError(
                f"tokens of one width are needed, but {image} is {dims[image]} wide and {text} {dims[text]}"
            )
        self.image, self.text, self.attend_padding, self.vocab_size = image, text, attend_padding, vocab_size
        self.role = text.split(".")[1]
        self.reads_padding = (self.role,) if attend_padding else ()
        self.encoder = CrossModalEncoder(dims[text], depth, heads)
        self.mlm_head = MLMHead(dims[text], vocab_size, depth)

    def forward(self, features: Features, batch: Batch) -> LossOutput:
        """The loss of the joined batch of all processes, 0 where nothing was masked; logs the share named right.

        Raises:
            ConfigError: if the texts that it reads have no masked tokens.
        """
        text_BTD, image_BLD = features[self.text], features[self.image]
        label_BT = self._labels(batch)[:, : text_BTD.shape[1]]
        mask_BT = None if self.attend_padding else features[f"text.{self.role}.mask"]
        chosen_BT = label_BT != IGNORED
        label_M = label_BT[chosen_BT]
        # This is a network, not a sum of logarithms: where the towers run in half precision, so does it.
        half = text_BTD.dtype in (torch.bfloat16, torch.float16)
        with torch.autocast(text_BTD.device.type, dtype=text_BTD.dtype if half else None, enabled=half):
            x_BTD = self.encoder(text_BTD, image_BLD, mask_BT)
            score_MV = self.mlm_head(x_BTD[chosen_BT])
        loss_M = cross_entropy(at_least_float32(score_MV), label_M, reduction="none")
        right_M = (score_MV.detach().argmax(dim=1) == label_M).to(loss_M.dtype)
        count = sum_over_processes(torch.ones_like(right_M).sum()).clamp(min=1)
        value = sum_over_processes(loss_M.sum()) / count
        return LossOutput(value, stats={"accuracy": sum_over_processes(right_M.sum()) / count})

    def _labels(self, batch: Batch) -> Tensor:
        tokens = batch.texts.get(self.role)
        if tokens is None or tokens.labels is None:
            raise ConfigError(
                f"MLM.text is {self.text!r}, but no tokens are masked in the role {self.role!r}: set "
                "data.masked_tokens=True and text='text.masked.tokens' (or data.mask_shared=True as well)"
            )
        return tokens.labels
