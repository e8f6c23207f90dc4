"""Sets of vectors on disk, for systems whose heads compare sets: each picture's, read back by its id.

    sets/HEAD.f32       all vectors of one head, one after the other
    sets/HEAD.ends.i64  behind which of them each picture's end; picture number `id` is entry number `id`

Removed pictures keep their entries. What was written and never committed is written over.

Shapes: N pictures, T vectors of the largest set, D width.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from tbpsbench.errors import DataError
from tbpsbench.files import storage_error
from tbpsbench.model.base import SearchModel
from tbpsbench.retrieval.rows import append_at
from tbpsbench.vectors import Encoded, Vectors


class Sets:
    """What all heads of a system compare of each picture.

    Args:
        folder: is made when the first pictures come.
        model: whose heads they are; those that compare by the cosine have one vector for each picture.
    """

    def __init__(self, folder: Path, model: SearchModel) -> None:
        self.folder, self.dims = folder, {name: int(head.dim) for name, head in model.heads.items()}
        self._single = {name for name, head in model.heads.items() if head.cosine}
        self._end_N: dict[str, np.ndarray] = {name: np.empty(0, np.int64) for name in self.dims}

    def open(self, count: int) -> None:
        """Read where the sets of the first `count` pictures lie, which are those that were committed.

        Raises:
            DataError: if some are missing, or it cannot be told where they lie.
        """
        for name, dim in self.dims.items():
            values, ends = self._paths(name)
            found_N = np.fromfile(ends, "<i8", count) if ends.is_file() else np.empty(0, np.int64)
            size = values.stat().st_size if values.is_file() else 0
            if len(found_N) < count or (count and size < int(found_N[-1]) * dim * 4):
                raise DataError(
                    f"{self.folder}: lacks vectors of the head {name!r}: the index is damaged. Build it again."
                )
            if (np.diff(found_N, prepend=0) < 0).any():
                raise DataError(f"{ends}: ends are not ascending: the file is damaged. Build the index again.")
            self._end_N[name] = found_N

    def add(self, first: int, encoded: Encoded) -> None:
        """Write the sets of pictures `first`, `first` + 1, ...; on the disk when this returns.

        Numbers before them that were passed over get empty sets; what lies behind was never committed, and goes.

        Raises:
            StorageError: if they cannot be written.
        """
        try:
            self.folder.mkdir(exist_ok=True)
        except OSError as error:
            raise storage_error(self.folder, error) from error
        for name, dim in self.dims.items():
            vectors, (values, ends) = encoded.heads[name], self._paths(name)
            value_NTD = vectors.values.reshape(len(vectors), -1, dim)
            mask_NT = torch.ones(value_NTD.shape[:2], dtype=torch.bool) if vectors.mask is None else vectors.mask.cpu()
            before = self._end_N[name][:first]
            start = int(before[-1]) if len(before) else 0
            end_before = len(before)
            before = np.concatenate([before, np.full(first - end_before, start)])
            end_N = start + mask_NT.sum(dim=1).cumsum(0).numpy()
            append_at(values, start * dim * 4, value_NTD[mask_NT].float().numpy().astype("<f4").tobytes())
            self._end_N[name] = np.concatenate([before, end_N])
            append_at(ends, end_before * 8, self._end_N[name][end_before:].astype("<i8").tobytes())

    def read(self, id_N: np.ndarray) -> Encoded:
        """The vectors of these pictures, by head; sets are padded to the length of the longest."""
        return Encoded({name: self._head(name, id_N) for name in self.dims})

    def _head(self, name: str, id_N: np.ndarray) -> Vectors:
        dim, end_N = self.dims[name], self._end_N[name]
        # As many as were committed: whoever writes may have got halfway with more.
        shape = (int(end_N[-1]) if len(id_N) else 0, dim)
        value_MD = np.memmap(self._paths(name)[0], "<f4", "r", shape=shape) if shape[0] else np.empty(shape)
        stop_N = end_N[id_N]
        start_N = np.where(id_N > 0, end_N[id_N - 1], 0)
        length_N = stop_N - start_N
        longest = int(length_N.max(initial=1))
        padded_NTD = np.zeros((len(id_N), longest, dim), np.float32)
        for row, (start, stop) in enumerate(zip(start_N, stop_N, strict=True)):
            padded_NTD[row, : stop - start] = value_MD[start:stop]
        if name in self._single:
            return Vectors(torch.from_numpy(padded_NTD[:, 0]))
        mask_NT = None if (length_N == longest).all() else torch.from_numpy(np.arange(longest) < length_N[:, None])
        return Vectors(torch.from_numpy(padded_NTD), mask_NT)

    def _paths(self, name: str) -> tuple[Path, Path]:
        return self.folder / f"{name}.f32", self.folder / f"{name}.ends.i64"
