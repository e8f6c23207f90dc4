"""Late interaction: texts and images as sets of vectors, compared by the best partner of each (ColBERT, Khattab and
Zaharia 2020, eq. 3; both ways in FILIP, Yao et al. 2022, eq. 4 and 5).

Only words that are there are multiplied, image by image in blocks, so that the (Q, G, T, L) products are never held.

Shapes: Q texts, T words, G images, L patches, D width, W words of all texts together.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from .precision import in_own_precision

Direction = Literal["text", "image", "both"]
DIRECTIONS = ("text", "image", "both")
# Products of one block, in bytes: they stay in the cache until they are compared.
BLOCK_BYTES = 16 << 20
# The same where a gradient will read the products, which are all kept then.
TRACKED_BYTES = 64 << 20
# Rows and columns of a product are filled up to a multiple of this: equal vectors then get equal products, wherever
# they stand (see metrics/products.py).
MULTIPLE = 192


@in_own_precision
def max_sim(
    text_QTD: Tensor,
    image_GLD: Tensor,
    text_mask_QT: Tensor | None = None,
    image_mask_GL: Tensor | None = None,
    direction: Direction = "text",
) -> Tensor:
    """Similarity of each text with each image; differentiable.

    Args:
        text_QTD, image_GLD: vectors, L2-normalised.
        text_mask_QT, image_mask_GL: bool, which vectors are there, at least one of each set; None: all.
        direction: "text": each word takes its best patch, mean over words; "image": each patch its best word, mean over
            patches; "both": the mean of the two.

    Returns:
        (Q, G) in -1..1, in the type of the vectors.

    Raises:
        ValueError: if a set is empty, or for another direction.
    """
    if direction not in DIRECTIONS:
        raise ValueError(f"direction is one of {', '.join(DIRECTIONS)}, got {direction!r}")
    words = _Packed(text_QTD, text_mask_QT)
    bare = len(image_GLD) > 0 and image_GLD.shape[1] == 0
    if bare or (image_mask_GL is not None and not image_mask_GL.any(dim=1).all()):
        raise ValueError("an image has no vector: every set needs at least one")
    length = image_GLD.shape[1]
    tracked = torch.is_grad_enabled() and (text_QTD.requires_grad or image_GLD.requires_grad)
    budget = TRACKED_BYTES if tracked else BLOCK_BYTES
    step = max(1, budget // max(1, words.rows_XD.element_size() * len(words.rows_XD) * length))
    step = min(step, max(1, len(image_GLD)))
    scratch = None if tracked else image_GLD.new_empty(len(words.rows_XD) * _filled(step * length))
    parts = []
    for first in range(0, len(image_GLD), step):
        block_GLD = image_GLD[first : first + step]
        mask_GL = None if image_mask_GL is None else image_mask_GL[first : first + step]
        parts.append(_block(words, block_GLD, mask_GL, direction, scratch))
    return torch.cat(parts, dim=1) if parts else text_QTD.new_zeros(len(text_QTD), 0)


class _Packed:
    """The words of all texts in one matrix, filled with zeros to whole tiles, and which text each belongs to."""

    def __init__(self, text_QTD: Tensor, mask_QT: Tensor | None) -> None:
        texts, length, width = text_QTD.shape
        if mask_QT is None:
            mask_QT = torch.ones(texts, length, dtype=torch.bool, device=text_QTD.device)
        self.texts = texts
        self.count_Q = mask_QT.sum(dim=1)
        if texts and not bool(self.count_Q.all()):
            raise ValueError("a text has no vector: every set needs at least one")
        row_WD = text_QTD[mask_QT]
        self.words = len(row_WD)
        self.rows_XD = torch.cat([row_WD, row_WD.new_zeros(_filled(len(row_WD)) - len(row_WD), width)])
        self.text_W = torch.arange(texts, device=text_QTD.device).repeat_interleave(self.count_Q)

    def mean(self, value_WG: Tensor) -> Tensor:
        """(Q, G) means over the words of each text."""
        total_QG = value_WG.new_zeros(self.texts, value_WG.shape[1]).index_add(0, self.text_W, value_WG)
        return total_QG / self.count_Q[:, None].to(total_QG.dtype)


def _filled(rows: int) -> int:
    return rows + -rows % MULTIPLE


def _block(
    words: _Packed, image_GLD: Tensor, mask_GL: Tensor | None, direction: Direction, scratch: Tensor | None
) -> Tensor:
    """(Q, g) similarities with some images; the products are made in `scratch`, if it is there."""
    images, length, width = image_GLD.shape
    column_XD = image_GLD.reshape(-1, width)
    column_XD = torch.cat([column_XD, column_XD.new_zeros(_filled(len(column_XD)) - len(column_XD), width)])
    if scratch is None:
        product_XX = words.rows_XD @ column_XD.T
    else:  # new memory for each block would leave holes behind the results that are kept
        shape = len(words.rows_XD), len(column_XD)
        product_XX = torch.mm(words.rows_XD, column_XD.T, out=scratch[: shape[0] * shape[1]].view(shape))
    product_WGL = product_XX[: words.words, : images * length].unflatten(1, (images, length))
    found = []
    if direction != "image":
        shown_WGL = product_WGL if mask_GL is None else product_WGL.masked_fill(~mask_GL, -torch.inf)
        found.append(words.mean(shown_WGL.amax(dim=2)))
    if direction != "text":
        index_WGL = words.text_W[:, None, None].expand_as(product_WGL)
        lowest_QGL = product_WGL.new_full((words.texts, images, length), -torch.inf)
        best_QGL = lowest_QGL.scatter_reduce(0, index_WGL, product_WGL, "amax")
        if mask_GL is None:
            found.append(best_QGL.mean(dim=2))
        else:
            found.append(best_QGL.masked_fill(~mask_GL, 0).sum(dim=2) / mask_GL.sum(dim=1).to(best_QGL.dtype))
    return found[0] if len(found) == 1 else (found[0] + found[1]) / 2
