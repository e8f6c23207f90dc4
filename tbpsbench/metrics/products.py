"""Similarities of two sets of features in blocks whose numbers never depend on how the work is cut up.

Shapes: Q queries, G gallery, D width, B queries of one block.
"""

from __future__ import annotations

import copy

import numpy as np
import torch

from tbpsbench.errors import DataError
from tbpsbench.metrics.inputs import Array, as_features
from tbpsbench.vectors import full_precision

# The gallery is padded to a multiple of this: no row of it then falls on the edge of a matrix kernel's tiles (6 to 64
# wide), where sums run in another order and equal features would get unequal similarities.
GALLERY_MULTIPLE = 192
BLOCK_ROWS = 512
BLOCK_BYTES = 1 << 28
# Similarities that an accelerator holds at once unless told otherwise: it does a block in less time than its host takes
# to ask for what comes after.
HELD_BYTES = 1 << 28


def product_rows(gallery_size: int) -> int:
    """Queries in one matrix product; depends on the gallery alone, so that the caller's chunks never change a bit.

    Processes that share the queries of one evaluation start at multiples of it.

    Returns:
        512, or less where the block of float32 similarities would exceed 256 MiB, but at least 32.
    """
    fitting = BLOCK_BYTES // (4 * max(1, gallery_size))
    return int(np.clip(fitting // 32 * 32, 32, BLOCK_ROWS))


def held_rows(gallery_size: int, device_type: str) -> int:
    """Queries whose similarities are held at once unless a caller says otherwise: whole blocks of `product_rows`."""
    rows = product_rows(gallery_size)
    if device_type == "cpu":
        return rows
    return rows * max(1, HELD_BYTES // (4 * max(1, gallery_size) * rows))


class Products:
    """Dot products of query and gallery features, a block of queries at a time.

    The product is always taken over whole blocks of `product_rows(G)` queries, the last one filled with zeros, against
    a padded gallery.

    Args:
        query_QD, gallery_GD: (Q, D) and (G, D) of any float type; computed in float32 (float64 features in float64).
        chunk: queries whose similarities are held at once, rounded up to whole blocks; default one block, on an
            accelerator as many as make 256 MiB.
        device: where to compute; default where the query features are.

    Attributes:
        queries, gallery: Q and G.
        step: queries of one call; calls start at multiples of it.

    Raises:
        DataError: if features are not finite, or width or type disagree.
        ValueError: if `chunk` is below 1.
    """

    def __init__(
        self,
        query_QD: Array,
        gallery_GD: Array,
        *,
        chunk: int | None = None,
        device: torch.device | str | None = None,
    ) -> None:
        query_QD, gallery_GD = as_features(query_QD, "query", device), as_features(gallery_GD, "gallery", device)
        gallery_GD = gallery_GD.to(device=query_QD.device if device is None else device)
        if query_QD.shape[1] != gallery_GD.shape[1] or query_QD.dtype != gallery_GD.dtype:
            raise DataError(
                f"query features are {tuple(query_QD.shape)} {query_QD.dtype}, gallery features "
                f"{tuple(gallery_GD.shape)} {gallery_GD.dtype}: width and type must agree"
            )
        (self.queries, width), self.gallery = query_QD.shape, len(gallery_GD)
        self._rows = rows = product_rows(self.gallery)
        if chunk is None:
            step = held_rows(self.gallery, query_QD.device.type)
        else:
            step = positive(chunk, "chunk") + -chunk % rows
        self.step = min(step, max(self.queries + -self.queries % rows, rows))
        self._query_QD = query_QD
        self._last_BD = query_QD.new_zeros(rows, width)
        self._hold(gallery_GD)

    def beside(self, further_CD: Array) -> Products:
        """The same queries in the same blocks, with other items than the gallery: (C, D) features.

        Raises:
            DataError: if they are not finite or of another width.
        """
        part_CD = as_features(further_CD, "distractor", self._query_QD.device).to(self._query_QD.dtype)
        if part_CD.shape[1] != self._query_QD.shape[1]:
            width = self._query_QD.shape[1]
            raise DataError(f"distractor features have {part_CD.shape[1]} values, the queries {width}")
        other = copy.copy(self)
        other._hold(part_CD)
        return other

    def _hold(self, gallery_GD: torch.Tensor) -> None:
        self.gallery = len(gallery_GD)
        self._padded_GD = torch.nn.functional.pad(gallery_GD, (0, 0, 0, -self.gallery % GALLERY_MULTIPLE))
        self._buffer_BG = self._query_QD.new_empty(self.step, len(self._padded_GD))

    def __call__(self, start: int, stop: int) -> torch.Tensor:
        """(stop - start, G) similarities of the queries start .. stop - 1, valid until the next call."""
        rows, padded_DG = self._rows, self._padded_GD.T
        with full_precision(self._query_QD.device.type):
            for first in range(start, stop, rows):
                part_BD = self._query_QD[first : first + rows]
                if len(part_BD) < rows:
                    self._last_BD[: len(part_BD)] = part_BD
                    part_BD = self._last_BD
                torch.mm(part_BD, padded_DG, out=self._buffer_BG[first - start : first - start + rows])
        return self._buffer_BG[: stop - start, : self.gallery]


def positive(value: int, name: str) -> int:
    """The value itself.

    Raises:
        ValueError: if it is below 1.
    """
    if value < 1:
        raise ValueError(f"{name} must be at least 1, got {value}")
    return value
