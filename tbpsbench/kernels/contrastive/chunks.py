"""Chunks of rows of the similarities, in the order of the labels, for the form in plain torch.

In that order a chunk's positives lie in a window of its columns, so nothing else looks at labels.

Shapes: N pairs, D width, C rows of a chunk, K columns of its window.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from .form import Form

# Similarities of one chunk, 8 MB in float32: longer chunks leave the cache, shorter ones slow the products down.
CHUNK = 1 << 21
FEWEST_ROWS = 64
LOG2E = 1 / math.log(2)


class Chunk(NamedTuple):
    """Rows `part`, the columns `window` that hold all their positives, and which of these are positives (C, K)."""

    part: slice
    window: slice
    same_CK: Tensor

    @property
    def rows(self) -> int:
        """C."""
        return self.part.stop - self.part.start


class Ordered:
    """Both sides in the order of their labels, in float32 or float64.

    Attributes:
        sides: anchors and positives (N, D) in that order.
        label_N: also.
        scale_2N: what multiplies the cosines in both directions, times log2 e.
        uniform: whether it is one number.
        count_N: number of positives of each row, itself included.
    """

    def __init__(
        self, anchor_ND: Tensor, positive_ND: Tensor, label_N: Tensor, scale: Tensor | None, form: Form
    ) -> None:
        dtype = anchor_ND.dtype if anchor_ND.dtype == torch.float64 else torch.float32
        in_order = bool((label_N[1:] >= label_N[:-1]).all())
        self._order_N = None if in_order else label_N.argsort(stable=True)
        self.sides = [self.sort(side_ND.to(dtype), 0).contiguous() for side_ND in (anchor_ND, positive_ND)]
        self.label_N = self.sort(label_N).contiguous()
        base = torch.full((), form.factor * LOG2E, dtype=dtype, device=anchor_ND.device)
        base = base if scale is None else base * scale.to(dtype)
        self.uniform = base.dim() < 2
        self.scale_2N = base.expand(2, len(label_N)) if self.uniform else self.sort(base)
        self._lo_N = torch.searchsorted(self.label_N, self.label_N)
        self._hi_N = torch.searchsorted(self.label_N, self.label_N, right=True)
        self.count_N = self._hi_N - self._lo_N
        self._height = min(len(label_N), max(FEWEST_ROWS, CHUNK // len(label_N)))
        self._product_CN = self.buffer()

    def sort(self, value: Tensor, dim: int = -1) -> Tensor:
        """Bring what belongs to pairs into the order of the labels."""
        return value if self._order_N is None else value.index_select(dim, self._order_N)

    def back(self, value: Tensor, dim: int = -1) -> Tensor:
        """The reverse."""
        return value if self._order_N is None else torch.empty_like(value).index_copy_(dim, self._order_N, value)

    def names(self, index_N: Tensor, known: bool) -> Tensor:
        """Columns of the order as columns of the inputs (`known` False) or the reverse; negative ones stay."""
        if self._order_N is None:
            return index_N
        table_N = self._order_N.argsort() if known else self._order_N
        return torch.where(index_N < 0, index_N, table_N[index_N.clamp(min=0).long()].to(index_N.dtype))

    def buffer(self) -> Tensor:
        """Room for a chunk's similarities (C, N)."""
        return self.sides[0].new_empty(self._height, len(self.label_N))

    def chunks(self) -> Iterator[Chunk]:
        """All rows, a few at a time."""
        lo, hi = self._lo_N.tolist(), self._hi_N.tolist()
        for start in range(0, len(lo), self._height):
            stop = min(start + self._height, len(lo))
            window = slice(lo[start], hi[stop - 1])
            same_CK = self.label_N[start:stop, None] == self.label_N[None, window]
            yield Chunk(slice(start, stop), window, same_CK)

    def product(self, chunk: Chunk) -> Tensor:
        """(C, N) similarities; times the scale where that is one number. The next call overwrites them."""
        row_CD = self.sides[0][chunk.part]
        row_CD = row_CD * self.scale_2N[0, 0] if self.uniform else row_CD
        return torch.mm(row_CD, self.sides[1].T, out=self._product_CN[: chunk.rows])

    def scaled(self, product_CN: Tensor, chunk: Chunk, dim: int, out: Tensor) -> Tensor:
        """The same times the scales of its rows (dim 1) or columns (dim 0)."""
        if self.uniform:
            return product_CN
        scale = self.scale_2N[0, chunk.part, None] if dim else self.scale_2N[1]
        return torch.mul(product_CN, scale, out=out[: chunk.rows])
