"""What evaluation and search compare: the vectors of one head for many images or texts, in full precision."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor
from torch.nn.functional import pad

from tbpsbench.errors import DataError

# torch's setting is one for the whole process: how many are inside `full_precision` now, and what it was before.
_guard = threading.Lock()
_inside, _before = 0, ""


@dataclass
class Vectors:
    """N images or texts as one head compares them.

    Attributes:
        values: (N, D) float32, or (N, T, D) sets of vectors.
        mask: (N, T) bool, which vectors of a set are there; None where there is one vector each, or all are there.
    """

    values: Tensor
    mask: Tensor | None = None

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, rows: Any) -> Vectors:
        return Vectors(self.values[rows], None if self.mask is None else self.mask[rows])

    def to(self, device: Any) -> Vectors:
        """The same vectors on another device."""
        return Vectors(self.values.to(device), None if self.mask is None else self.mask.to(device))

    def padded(self, length: int) -> Vectors:
        """Sets of `length` vectors, the added ones not there."""
        added = length - self.values.shape[1]
        mask = self.values.new_ones(self.values.shape[:2], dtype=torch.bool) if self.mask is None else self.mask
        return Vectors(pad(self.values, (0, 0, 0, added)), pad(mask, (0, added)))

    @classmethod
    def join(cls, parts: Sequence[Vectors]) -> Vectors:
        """One after the other; sets of different lengths are padded."""
        if parts[0].values.ndim == 3 and (
            len({part.values.shape[1] for part in parts}) > 1 or parts[0].mask is not None
        ):
            longest = max(part.values.shape[1] for part in parts)
            parts = [part.padded(longest) for part in parts]
        masks = [part.mask for part in parts if part.mask is not None]
        return cls(torch.cat([part.values for part in parts]), torch.cat(masks) if masks else None)


@dataclass
class Encoded:
    """N images or texts as all heads of a system compare them, where one vector each does not do.

    Attributes:
        heads: head name -> its vectors.
        side: which of the two they are; None where that is not known.
    """

    heads: Mapping[str, Vectors]
    side: Literal["image", "text"] | None = None

    def __len__(self) -> int:
        return len(next(iter(self.heads.values())))

    def __getitem__(self, rows: Any) -> Encoded:
        """Some of the rows.

        Raises:
            DataError: for a single number, which would leave no row but what is in it.
        """
        found = {name: vectors[rows] for name, vectors in self.heads.items()}
        if any(found[name].values.ndim != vectors.values.ndim for name, vectors in self.heads.items()):
            raise DataError(f"[{rows!r}] of embeddings leaves no axis of rows: take a slice instead, e.g. [0:1]")
        return Encoded(found, self.side)

    def to(self, device: Any) -> Encoded:
        """The same on another device."""
        return Encoded({name: vectors.to(device) for name, vectors in self.heads.items()}, self.side)

    def float(self) -> Encoded:
        """The same; vectors are float32 already. A matrix of vectors has this method, too."""
        return self

    @classmethod
    def join(cls, parts: Sequence[Encoded]) -> Encoded:
        """One after the other.

        Raises:
            DataError: if there is none.
        """
        if not parts:
            raise DataError("there is nothing to embed: give at least one caption or picture")
        joined = {name: Vectors.join([part.heads[name] for part in parts]) for name in parts[0].heads}
        return cls(joined, parts[0].side)


@contextmanager
def full_precision(device: str) -> Iterator[None]:
    """Float32 products in float32: no TF32, no bfloat16 passes, no autocast, whatever the caller has set.

    Of several threads the first sets it and the last one out restores what there was.
    """
    global _inside, _before
    with _guard:
        if not _inside:
            _before = torch.get_float32_matmul_precision()
            torch.set_float32_matmul_precision("highest")
        _inside += 1
    try:
        with torch.no_grad(), torch.autocast(device, enabled=False):
            yield
    finally:
        with _guard:
            _inside -= 1
            if not _inside:
                torch.set_float32_matmul_precision(_before)
