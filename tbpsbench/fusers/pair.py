"""What every fuser of the BDAM paper begins with (section 3.4): alignment of image and text, and their gate.

Shapes: B batch, L image positions, T text positions, S positions of the result, D common width.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import torch
from torch import Tensor, nn

from tbpsbench.arguments import did_you_mean
from tbpsbench.layers.ranges import require_positive, require_share
from tbpsbench.types import Features


class GatedPair(nn.Module):
    """Bring image and text to one width, weigh them against each other, and join them.

    f_img and f_txt are what the alignment makes of them; W_img, W_txt = softmax(W_f [f_img ; f_txt]).
    "pooled" gives W_img f_img + W_txt f_txt as a sequence of one position, which is what the paper writes.
    "tokens" is ours: [W_img image tokens ; W_txt text tokens], with the gate computed from the tokens' means.

    Where there is no text, or it was dropped in training, a learnt null vector stands for it, as one position; a row
    whose text was dropped is the row of an image that never had one.

    Args:
        dims: feature name -> width, supplied by the model.
        image: feature of the image, (B, D_i).
        text: feature of the text, (B, D_t); None for the null vector alone.
        dim: D.
        dropout: within the alignment, 0..1.
        text_dropout: share of texts that training leaves out, 0..1.
        alignment: Linear, GELU, Dropout, Linear, LayerNorm for each side; otherwise one Linear (Table 2).
        gate: weigh by the softmax; otherwise both weights are 1/2 (Table 2).
        sequence: "pooled" or "tokens"; the tokens of "image.pooled" are "image.patches", of "X.pooled" "X.tokens", of
            any other X "X.tokens".

    Raises:
        ValueError: if D is not positive, for a share outside 0..1, or if a feature or its tokens are not there.
    """

    def __init__(
        self,
        dims: Mapping[str, int],
        image: str,
        text: str | None,
        dim: int,
        dropout: float,
        text_dropout: float,
        alignment: bool,
        gate: bool,
        sequence: Literal["pooled", "tokens"] = "pooled",
    ) -> None:
        super().__init__()
        require_positive(dim=dim)
        require_share(dropout=dropout, text_dropout=text_dropout)
        self.pooled, self.text_dropout = sequence == "pooled", text_dropout
        self.image = image if self.pooled else tokens_of(image)
        self.text = text if self.pooled or text is None else tokens_of(text)
        for argument, named, read in (("image", image, self.image), ("text", text, self.text)):
            if read is not None and read not in dims:
                raise ValueError(_missing(argument, str(named), read, dims))
        self.align_image = _aligner(dims[self.image], dim, dropout, alignment)
        self.align_text = None if self.text is None else _aligner(dims[self.text], dim, dropout, alignment)
        self.null = nn.Parameter(0.02 * torch.randn(dim))
        self.gate = nn.Linear(2 * dim, 2) if gate else None

    def forward(self, features: Features) -> tuple[Tensor, Tensor]:
        """The joined sequence.

        Returns:
            (B, S, D), and its mask (B, S), True up to the last position that counts.
        """
        image_BLD = self.align_image(features[self.image][:, None] if self.pooled else features[self.image])
        text_BTD, mask_BT = self._text(features, image_BLD.shape[0])
        weight_B2 = self.weights(image_BLD.mean(dim=1), _mean(text_BTD, mask_BT))
        image_BLD = weight_B2[:, :1, None] * image_BLD
        text_BTD = weight_B2[:, 1:, None] * text_BTD
        if self.pooled:
            return image_BLD + text_BTD, mask_BT
        seen_BL = mask_BT.new_ones(image_BLD.shape[:2])
        return torch.cat([image_BLD, text_BTD], dim=1), torch.cat([seen_BL, mask_BT], dim=1)

    def weights(self, image_BD: Tensor, text_BD: Tensor) -> Tensor:
        """W_img and W_txt, (B, 2); each row sums to one."""
        if self.gate is None:
            return image_BD.new_full((image_BD.shape[0], 2), 0.5)
        return self.gate(torch.cat([image_BD, text_BD], dim=-1)).softmax(dim=-1)

    def _text(self, features: Features, batch: int) -> tuple[Tensor, Tensor]:
        if self.align_text is None or self.text is None or self.text not in features:
            return self.null.expand(batch, 1, -1), torch.ones(batch, 1, dtype=torch.bool, device=self.null.device)
        given = features[self.text]
        text_BTD = self.align_text(given[:, None] if self.pooled else given)
        mask_BT = torch.ones(text_BTD.shape[:2], dtype=torch.bool, device=given.device)
        if not self.pooled:
            mask_BT = features[f"{self.text.removesuffix('.tokens')}.mask"]
        if not self.training:
            return text_BTD, mask_BT
        # Also at a share of 0: the null vector must have a gradient in every process of a distributed run.
        dropped_B = torch.rand(batch, device=given.device) < self.text_dropout
        first_T = torch.arange(mask_BT.shape[1], device=given.device) == 0
        text_BTD = torch.where(dropped_B[:, None, None], self.null, text_BTD)
        return text_BTD, torch.where(dropped_B[:, None], first_T, mask_BT)


def tokens_of(name: str) -> str:
    """The feature that holds the tokens behind a vector: "text.identity.pooled" -> "text.identity.tokens"."""
    return "image.patches" if name == "image.pooled" else f"{name.removesuffix('.pooled')}.tokens"


def last_position(mask_BS: Tensor) -> Tensor:
    """(B,) index of the last True in each row."""
    return mask_BS.shape[1] - 1 - mask_BS.flip(1).int().argmax(dim=1)


def _mean(x_BTD: Tensor, mask_BT: Tensor) -> Tensor:
    weight_BT1 = mask_BT[..., None].to(x_BTD.dtype)
    # An empty text, whose mask is False throughout, has the mean 0.
    return (weight_BT1 * x_BTD).sum(dim=1) / weight_BT1.sum(dim=1).clamp(min=1)


def _missing(argument: str, named: str, read: str, dims: Mapping[str, int]) -> str:
    """What is wrong with an argument that names the feature `named`, of which `read` is not there."""
    if named in dims:
        return f"sequence='tokens' reads {read!r}, which nothing provides; use sequence='pooled'"
    return f"{argument} is {named!r}, which nothing provides; there are: {', '.join(dims)}.{did_you_mean(named, dims)}"


def _aligner(width: int, dim: int, dropout: float, alignment: bool) -> nn.Module:
    if not alignment:
        return nn.Linear(width, dim)
    return nn.Sequential(nn.Linear(width, dim), nn.GELU(), nn.Dropout(dropout), nn.Linear(dim, dim), nn.LayerNorm(dim))
