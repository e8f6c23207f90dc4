"""What an index promises: the nearest of many vectors, under ids that stay.

Nothing here imports torch: an index is opened and searched with numpy alone.

Shapes: N items, Q queries, D width, K best.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any

import numpy as np

from tbpsbench.errors import DataError
from tbpsbench.metrics.even import row_products

# Rows whose vectors are fetched at once when all similarities are asked for.
PART_ROWS = 65536


class Index(ABC):
    """Base of the slot INDEXES: a set of vectors in a folder, each under a number (its id) of the caller's.

    Building one opens what the folder holds, or makes an empty index there. Scores are dot products, larger is better;
    equal vectors get equal ones, and equal ones come in the order of the ids (where an index looks at some vectors
    alone: of those). One process writes at a time (the gallery holds a lock); several threads may search at once, and
    other processes see what was there when they opened it.

    Durability: what `add` and `remove` were given survives a kill after `flush` has returned. Before that, an id may be
    there or not, but its vector is never half of one. `keep` then brings the index to what the caller knows of.

    Context arguments: `folder` (exists), `dim` (D), `writable` (False: nothing on the disk may change).
    """

    folder: Path
    dim: int
    writable: bool

    @abstractmethod
    def search(self, query_QD: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        """The k best of each query: scores (Q, K) float32, best first, and their ids (Q, K) int64; K = min(k, N).

        Raises:
            DataError: if the queries are of another width or not finite, k is not positive, or vectors are damaged.
        """

    @abstractmethod
    def add(self, id_N: np.ndarray, vector_ND: np.ndarray) -> None:
        """Take in vectors under new ids, ascending and larger than every id before.

        Raises:
            DataError: if ids are not ascending, or vectors are of another width or not finite.
            StorageError: if they cannot be written.
        """

    @abstractmethod
    def remove(self, id_N: np.ndarray) -> None:
        """Forget these ids at once; those that are not there are passed over."""

    @abstractmethod
    def vectors(self, id_N: np.ndarray) -> np.ndarray:
        """(N, D) float32 of these ids, as exact as the index keeps them, in their order.

        Raises:
            DataError: if one is not there; names it.
        """

    @abstractmethod
    def ids(self) -> np.ndarray:
        """(N,) int64, ascending: what is there."""

    def last_id(self) -> int:
        """What the next id must be larger than, removed ones included; -1 where any will do."""
        id_N = self.ids()
        return int(id_N[-1]) if len(id_N) else -1

    def keep(self, id_N: np.ndarray) -> None:
        """Forget all but these ids (ascending), e.g. those that were added but never committed.

        Raises:
            DataError: if one of them is not there; names it.
        """
        there_N = self.ids()
        if len(missing := np.setdiff1d(id_N, there_N, assume_unique=True)):
            raise DataError(
                f"{self.folder}: lacks the vectors of {len(missing)} items that were committed, the first "
                f"{missing[0]}: the index is damaged. Build it again, in a folder of its own."
            )
        if len(there_N) > len(id_N):
            self.remove(np.setdiff1d(there_N, id_N, assume_unique=True))

    def similarities(self, query_QD: np.ndarray) -> np.ndarray:
        """(Q, N) float32 dot products with everything that is there, in the order of `ids`.

        Raises:
            DataError: as `search`.
        """
        query_QD, id_N = self._asked(query_QD), self.ids()
        score_QN = np.empty((len(query_QD), len(id_N)), np.float32)
        for first in range(0, len(id_N), PART_ROWS):
            part = slice(first, first + PART_ROWS)
            part_ND = self.vectors(id_N[part])
            for query, query_D in enumerate(query_QD):
                score_QN[query, part] = row_products(part_ND, query_D)
        return score_QN

    def flush(self) -> None:  # noqa: B027 - an index may write at once
        """Return when everything so far would survive a kill."""

    def close(self) -> None:  # noqa: B027
        """Give back files, maps and connections; the index is not used after."""

    def about(self) -> dict[str, Any]:
        """What reports say of it."""
        return {"vectors": len(self), "dim": self.dim}

    def __len__(self) -> int:
        return len(self.ids())

    def _asked(self, query_QD: np.ndarray, k: int = 1) -> np.ndarray:
        """Queries as float32, refused where they cannot be compared."""
        query_QD = np.ascontiguousarray(query_QD, dtype=np.float32)
        if query_QD.ndim != 2 or query_QD.shape[1] != self.dim:
            raise DataError(f"queries of shape {query_QD.shape}: expected (queries, {self.dim}), the index's width")
        if not np.isfinite(query_QD).all():
            raise DataError("a query holds values that are not finite: what is its system trained on?")
        if k < 1:
            raise DataError(f"k is {k}, expected at least 1")
        return query_QD

    def _given(self, id_N: np.ndarray, vector_ND: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Ids and vectors as they are kept, refused where they cannot be."""
        id_N, vector_ND = np.asarray(id_N, np.int64), np.ascontiguousarray(vector_ND, dtype=np.float32)
        if vector_ND.shape != (len(id_N), self.dim):
            raise DataError(
                f"vectors of shape {vector_ND.shape} for {len(id_N)} ids: expected ({len(id_N)}, {self.dim})"
            )
        if len(id_N) and (id_N[0] < 0 or (np.diff(id_N) <= 0).any()):
            raise DataError("ids are not ascending whole numbers from 0: give each item a new, larger one")
        finite_N = np.isfinite(vector_ND).all(axis=1)
        if not finite_N.all():
            raise DataError(f"the vector of item {id_N[~finite_N][0]} holds values that are not finite")
        return id_N, vector_ND
