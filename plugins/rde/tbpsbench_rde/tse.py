"""Token selection embedding, TSE (Qin et al. 2024, RDE, section 3.3): the head that looks at the telling tokens.

Shapes: B batch, L image tokens, T text tokens, K selected tokens, D width of an encoder, E width of the embedding.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Literal

import torch
from torch import Tensor

from tbpsbench.heads.base import Head
from tbpsbench.registry import HEADS
from tbpsbench.types import Batch, Embedding, Features
from tbpsbench_rde.selection import count_selected, gather_tokens, select_patches, select_words
from tbpsbench_rde.token_embedding import TokenEmbedding


@HEADS.register(requires=("image_tokens", "image_attention", "text_tokens", "text_attention", "text_mask"))
class TSE(Head):
    """Embed the patches that CLS attends to most, and the words that the text's pooled token attends to most.

    Args:
        dims: feature name -> width, supplied by the model.
        image_tokens, image_attention: features of the image, (B, L, D) with CLS first and (B, L, L).
        text_tokens, text_attention, text_mask: features of the text, (B, T, D), (B, T, T) and (B, T).
        dim: E; even.
        ratio: share of patches and words that are selected; in 0..1.
        text_length: tokens of a full text, ends included. The number of selected words is a share of it, whatever
            length a batch has: 77 for CLIP, "from_data:max_length" where the tokenizer is another.
        asking: the text token whose attention counts: "last" (CLIP's end of text) or "first" (BERT's CLS).
        train_bn: "frozen" trains with batch norm's first statistics (mean 0, variance 1), as the published results
            were made; "normal" with those of the batch, as the code has done since.
        padding: "published": where a text has fewer words than are selected, padding fills up and enters the
            statistics of batch norm; the token id 0, which CLIP also uses for "!", is padding. "ignored": only words.
        weight: share of this head in the similarity; > 0.

    Raises:
        ValueError: if `dim` is not even, or `ratio`, `text_length` or `weight` is out of range.
    """

    def __init__(
        self,
        dims: Mapping[str, int],
        image_tokens: str = "image.tokens",
        image_attention: str = "image.attention",
        text_tokens: str = "text.query.tokens",
        text_attention: str = "text.query.attention",
        text_mask: str = "text.query.mask",
        dim: int = 1024,
        ratio: float = 0.3,
        text_length: int = 77,
        asking: Literal["last", "first"] = "last",
        train_bn: Literal["frozen", "normal"] = "frozen",
        padding: Literal["published", "ignored"] = "published",
        weight: float = 1.0,
    ) -> None:
        super().__init__()
        if dim < 2 or dim % 2 or not 0 < ratio <= 1 or text_length < 3 or not 0 < weight < math.inf:
            raise ValueError(
                f"dim ({dim}) must be even, ratio ({ratio}) in 0..1, text_length ({text_length}) at least 3, "
                f"weight ({weight}) positive and finite"
            )
        self.image_tokens, self.image_attention = image_tokens, image_attention
        self.text_tokens, self.text_attention, self.text_mask = text_tokens, text_attention, text_mask
        self.dim, self.ratio, self.text_length, self.weight = dim, ratio, text_length, weight
        self.asking, self.padding, self.role = asking, padding, text_tokens.split(".")[1]
        frozen = train_bn == "frozen"
        self.image = TokenEmbedding(dims[image_tokens], dim, frozen=frozen)
        self.text = TokenEmbedding(dims[text_tokens], dim, frozen=frozen)
        # With frozen statistics padding changes nothing, and the model may cut it off.
        self.reads_padding = (self.role,) if padding == "published" and not frozen else ()

    def forward(self, features: Features, batch: Batch) -> Embedding:
        """Embed the sides that are there to (B, E)."""
        image_BE = self._image(features) if self.image_tokens in features else None
        text_BE = self._text(features, batch) if self.text_tokens in features else None
        return Embedding(image_BE, text_BE, self.weight)

    def _image(self, features: Features) -> Tensor:
        tokens_BLD, attention_BLL = features[self.image_tokens], features[self.image_attention]
        positions_BK = select_patches(attention_BLL, count_selected(tokens_BLD.shape[1] - 1, self.ratio))
        embedded_BE: Tensor = self.image(gather_tokens(tokens_BLD, positions_BK))
        return embedded_BE

    def _text(self, features: Features, batch: Batch) -> Tensor:
        tokens_BTD, mask_BT = features[self.text_tokens], features[self.text_mask]
        published = self.padding == "published"
        ids_BT = batch.texts[self.role].ids[:, : mask_BT.shape[1]]
        real_BT = mask_BT & (ids_BT != 0) if published else mask_BT
        last_B = (mask_BT.sum(dim=1) - 1).clamp(min=0)
        asking_B = last_B if self.asking == "last" else torch.zeros_like(last_B)
        count = count_selected(self.text_length - 2, self.ratio)
        positions_BK, word_BK = select_words(features[self.text_attention], real_BT, asking_B, count)
        embedded_BE: Tensor = self.text(gather_tokens(tokens_BTD, positions_BK), word_BK, norm_all=published)
        return embedded_BE
