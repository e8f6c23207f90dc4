"""What an encoder promises: tokens, one pooled vector and, if it has any, the attention of its last block on request.

Shapes: B batch, L image or text tokens, D width of the encoder's output.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from torch import Tensor, nn

from tbpsbench.types import Tokens


@dataclass
class Encoded:
    """Output of an encoder.

    Attributes:
        tokens_BLD: all tokens, after the last norm and projection.
        pooled_BD: the vector that stands for the whole image or text.
        mask_BL: bool, True on real tokens; None where all are.
        prefix: number of leading tokens that are not patches or words (1 for a CLS token); disentanglers drop them.
        attention_BLL: attention of the last block, averaged over heads; None unless asked for, and where there is none.
    """

    tokens_BLD: Tensor
    pooled_BD: Tensor
    mask_BL: Tensor | None = None
    prefix: int = 0
    attention_BLL: Tensor | None = None


class ImageEncoder(nn.Module, ABC):
    """Base of the slot IMAGE_ENCODERS; one that can give its attention registers `provides=("image.attention",)`.

    Attributes:
        dim: D, width of tokens and pooled vector.
        settled: constructor arguments whose value the pretrained weights decided; a checkpoint keeps them, so that the
            weights are not needed again.
    """

    dim: int
    settled: Mapping[str, Any] = MappingProxyType({})

    @classmethod
    def image_size(cls, arguments: Mapping[str, Any]) -> Any:
        """Height and width that an encoder with these arguments takes; None if it takes any, or it cannot be told.

        Args:
            arguments: of the constructor, defaults filled in; a value may be "from_data:NAME".

        Raises:
            ValueError: if the constructor would.
        """
        return arguments.get("img_size")

    @abstractmethod
    def forward(self, image_B3HW: Tensor, *, need_attention: bool = False) -> Encoded:
        """Encode normalised float images of the size the encoder was built for.

        An encoder without attention may leave the argument `need_attention` out: it is not asked for any.
        """


class TextEncoder(nn.Module, ABC):
    """Base of the slot TEXT_ENCODERS; one instance encodes all roles (query, identity, ...).

    One that can give its attention registers `provides=("text.ROLE.attention",)`.

    Attributes:
        dim: D, width of tokens and pooled vector.
        max_length: longest text in tokens, special tokens included.
        settled: as for an image encoder.
    """

    dim: int
    max_length: int
    settled: Mapping[str, Any] = MappingProxyType({})

    @classmethod
    def positions(cls, arguments: Mapping[str, Any]) -> Any:  # noqa: ARG003
        """`max_length` of an encoder with these arguments, as `ImageEncoder.image_size`; None if it cannot be told."""
        return None

    @abstractmethod
    def forward(self, tokens: Tokens, *, need_attention: bool = False) -> Encoded:
        """Encode `tokens.ids` (B, T), T <= max_length; `need_attention` as for an image encoder."""
