"""Which tokens stand for an image or a text: those that the token of the whole attends to most (RDE, section 3.3).

Shapes: B batch, L tokens, K selected tokens.
"""

from __future__ import annotations

import torch
from torch import Tensor


def count_selected(tokens: int, ratio: float) -> int:
    """K: the share `ratio` of `tokens`, rounded down, at least one; 57 of 192 patches and 22 of 75 words at 0.3."""
    return max(1, int(tokens * ratio))


def select_patches(attention_BLL: Tensor, count: int) -> Tensor:
    """Positions (B, K) of the `count` patches that the CLS token (position 0) attends to most; itself never."""
    row_BL = attention_BLL[:, 0].detach().clone()
    row_BL[:, 0] = -1.0
    return row_BL.topk(min(count, row_BL.shape[1] - 1), dim=1).indices


def select_words(attention_BLL: Tensor, real_BL: Tensor, asking_B: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Positions of the words that the token at `asking_B` attends to most; padding after them, as far as K reaches.

    Args:
        attention_BLL: of the text encoder's last block.
        real_BL: bool, False on padding.
        asking_B: position of the token that stands for the whole text.
        count: K.

    Returns:
        Positions (B, K), and which of them are words (B, K): neither padding nor the text's first or last token. Where
        a text has no word at all, the first position counts as one, so that something is left to pool.
    """
    rows_B, place_L = (torch.arange(n, device=real_BL.device) for n in real_BL.shape)
    last_B1 = (place_L * real_BL).amax(dim=1, keepdim=True)
    word_BL = real_BL & (place_L > 0) & (place_L < last_B1)
    # Attention is never negative: words come first, then padding, then the two ends.
    score_BL = attention_BLL[rows_B, asking_B].detach().masked_fill(~word_BL, -1.0).masked_fill(~real_BL, -0.5)
    positions_BK = score_BL.topk(min(count, len(place_L)), dim=1).indices
    found_BK = place_L[: positions_BK.shape[1]] < word_BL.sum(dim=1, keepdim=True).clamp(min=1)
    return positions_BK, found_BK


def gather_tokens(tokens_BLD: Tensor, positions_BK: Tensor) -> Tensor:
    """The selected tokens (B, K, D)."""
    return tokens_BLD.gather(1, positions_BK[..., None].expand(-1, -1, tokens_BLD.shape[-1]))
